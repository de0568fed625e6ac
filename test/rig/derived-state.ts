// Fields of objects of the LPs that no snapshot has under their own names, and why a machine that is set up from one goes on without. Whoever adds a field to a class in
// these folders saves it (shared/kit/saved.ts) or writes it down here; test/unit/saved-state compares this with the sources.

/** Why. */
export const REASONS = {
  WITHIN_RUN: 'it holds within a run, an intercept or a walk; snapshots are taken between runs',
  LOADED: 'it is read anew from the VP when that begins to run',
  CACHE: 'it is found again in memory, with the same effect on guests and on their time',
  ONLOOKER: 'it belongs to who looks on: a debugger, a trace, an account; a snapshot has none',
  TELEMETRY: 'it is counted for people and goes into no decision',
  HOST: "it is about the host's time or the process",
  ELSEWHERE: 'its owner saves it with its own state',
} as const;
export type Reason = keyof typeof REASONS;

/** By file below daemon/. */
export const DERIVED: Readonly<Record<string, { readonly [R in Reason]?: readonly string[] }>> = {
  'lp/idle-pace.ts': {
    HOST: ['#pacedTo', '#lookedAt', '#changes'],
  },
  'lp/halt-poll.ts': {
    HOST: ['#windowUs'],
  },
  'lp/logical-processor.ts': {
    WITHIN_RUN: ['#running'],
  },
  'lp/rounds.ts': {
    HOST: ['#isOver'],
  },
  'lp/schedule/candidate.ts': {
    ELSEWHERE: ['ready', 'fresh'],
  },
  'hypervisor/debugger/guest-debug.ts': {
    ONLOOKER: ['#breakpoints', '#watches', '#version'],
  },
  'hypervisor/debugger/guest-translation.ts': {
    ONLOOKER: ['steps'],
  },
  'hypervisor/debugger/vp-stops.ts': {
    ONLOOKER: ['#untold'],
  },
  'hypervisor/guest-clock.ts': {
    ELSEWHERE: ['#start'],
    WITHIN_RUN: ['#budget', '#inRun'],
  },
  'hypervisor/hyperv/address-flush.ts': {
    WITHIN_RUN: ['#everything'],
  },
  'hypervisor/hyperv/caller.ts': {
    WITHIN_RUN: ['#vp', 'is64', 'controlLow', 'controlHigh'],
  },
  'hypervisor/hyperv/dispatcher.ts': {
    WITHIN_RUN: ['#first', '#done', '#again'],
  },
  'hypervisor/hyperv/vp-targets.ts': {
    WITHIN_RUN: ['#mask'],
  },
  'hypervisor/msr/msr-table.ts': {
    WITHIN_RUN: ['effects'],
  },
  'hypervisor/overlay-map.ts': {
    WITHIN_RUN: ['stores'],
  },
  'hypervisor/partition-on-lp.ts': {
    CACHE: ['processor'],
    WITHIN_RUN: ['current', 'extended'],
    ELSEWHERE: ['spinning'],
  },
  'hypervisor/shadow-mmu.ts': {
    LOADED: ['#vp'],
    WITHIN_RUN: ['gpa'],
  },
  'hypervisor/spin/spin-window.ts': {
    WITHIN_RUN: ['#piece'],
  },
  'hypervisor/synic/message-slot.ts': {
    WITHIN_RUN: ['wasTold'],
  },
  'hypervisor/trace-ring.ts': {
    ONLOOKER: ['isOn'],
  },
  'hypervisor/trace.ts': {
    ONLOOKER: ['spinsSince', '#isFollowed', '#intercept', '#since', '#resumedAt'],
  },
  'hypervisor/vtlb/address-spaces.ts': {
    CACHE: ['#hints'],
    WITHIN_RUN: ['made'],
  },
  'hypervisor/vtlb/counters.ts': {
    WITHIN_RUN: ['#serializes'],
  },
  'hypervisor/vtlb/fill-lock.ts': {
    WITHIN_RUN: ['#mode', '#holdsMutex'],
  },
  'hypervisor/vtlb/guest-entry.ts': {
    WITHIN_RUN: ['usable', 'large', 'frame', 'rights', 'dirty', 'global'],
  },
  'hypervisor/vtlb/guest-table.ts': {
    WITHIN_RUN: ['#role', '#level', '#narrow', '#there', '#bus', '#table', '#first'],
  },
  'hypervisor/vtlb/guest-walk.ts': {
    WITHIN_RUN: [
      '#bus',
      '#at',
      '#low',
      'errorCode',
      'gfn',
      'busGfn',
      'isMemory',
      'stores',
      'rights',
      'global',
      'dirty',
      'sptGfn',
      'sptRole',
    ],
  },
  'hypervisor/vtlb/invalidation.ts': {
    WITHIN_RUN: ['cleared', 'owner', 'unlinked'],
  },
  'hypervisor/vtlb/loaded-space.ts': {
    CACHE: ['#keyOf'],
    LOADED: ['#vp'],
    ELSEWHERE: ['#lastVp'],
  },
  'hypervisor/vtlb/page-faults.ts': {
    WITHIN_RUN: ['found'],
    ELSEWHERE: ['allowsOnce'],
  },
  'hypervisor/vtlb/revalidation.ts': {
    WITHIN_RUN: ['#marked', '#closing'],
  },
  'hypervisor/vtlb/shadow-tree.ts': {
    WITHIN_RUN: ['installed', 'wish', '#leafHigh', '#held', '#heldLevel', '#wanted'],
  },
  'hypervisor/world/guest-world.ts': {
    WITHIN_RUN: ['#inRun', '#isPaged'],
  },
  'hypervisor/world/host-mmu.ts': {
    WITHIN_RUN: ['gpa'],
  },
  'hypervisor/world/host-processor.ts': {
    WITHIN_RUN: ['#stop'],
  },
  'hypervisor/world/world-switch.ts': {
    CACHE: ['#own'],
  },
  'machine/block-arena.ts': {
    ELSEWHERE: ['next'],
  },
  'machine/code-account.ts': {
    ELSEWHERE: ['#units'],
  },
  'machine/code-block.ts': {
    ELSEWHERE: ['version', 'gfn2', 'version2', 'unit', 'span', 'next'],
  },
  'machine/code-cache.ts': {
    CACHE: ['#plainModes'],
    LOADED: ['#mode', '#setTo', '#csBase', '#user'],
    ONLOOKER: ['stopBefore', '#breakpoints'],
    WITHIN_RUN: ['translations'],
  },
  'machine/code-pages.ts': {
    CACHE: ['#lastGfn', '#last'],
  },
  'machine/code-reader.ts': {
    WITHIN_RUN: ['words', '#window', '#linear', 'bytes'],
  },
  'machine/code-units.ts': {
    WITHIN_RUN: ['compilations'],
    TELEMETRY: ['refused'],
  },
  'machine/cpu/inner-stack.ts': {
    WITHIN_RUN: ['#sp'],
  },
  'machine/cpuid-answers.ts': {
    ONLOOKER: ['isKept'],
  },
  'machine/cycle-account.ts': {
    WITHIN_RUN: ['charged'],
  },
  'machine/debug-unit.ts': {
    LOADED: ['#vp', '#enabled', '#guestWatchesData', '#outside', '#outsideHit', '#watchesPorts'],
  },
  'machine/flush-handshake.ts': {
    WITHIN_RUN: ['#inGuest', '#ownsBus', '#stopsWithin'],
  },
  'machine/generation.ts': {
    WITHIN_RUN: ['inside'],
    TELEMETRY: ['waits', 'waitUs'],
  },
  'machine/guest-exits.ts': {
    WITHIN_RUN: ['delivered'],
  },
  'machine/guest-memory.ts': {
    LOADED: ['vp', 'debug', '#user', '#implicit', '#bits64', '#aligned'],
    WITHIN_RUN: ['bypassWatch', 'alone', 'allowsUnaligned'],
    ELSEWHERE: ['hasStored'],
  },
  'machine/guest-processor.ts': {
    WITHIN_RUN: ['#allTheWay', 'retired'],
    ONLOOKER: ['#followed'],
  },
  'machine/instruction-count.ts': {
    ONLOOKER: ['#blocks', 'mnemonics', 'classes', 'byAddress', 'retired', 'elsewhere', 'exits'],
  },
  'machine/instruction-trace.ts': {
    ONLOOKER: ['from', '#before', '#wideBefore', '#flags', '#over'],
  },
  'machine/jump-cache.ts': {
    WITHIN_RUN: ['flushes'],
  },
  'machine/processor.ts': {
    WITHIN_RUN: ['vector', 'error', 'nonCanonical'],
  },
  'machine/shared-words.ts': {
    WITHIN_RUN: ['low', 'high'],
  },
  'machine/slow-half.ts': {
    ELSEWHERE: ['lastRip', 'hasFaulted'],
  },
  'machine/stack-sampler.ts': {
    ONLOOKER: ['stacks', '#weight', '#last'],
  },
  'machine/tlb.ts': {
    WITHIN_RUN: ['flushes'],
  },
  'machine/walker.ts': {
    CACHE: ['#root'],
    WITHIN_RUN: ['spa', 'gfn', 'writable', 'global', 'cacheable', 'remoteLevels'],
    ELSEWHERE: ['walks', 'remoteWalks'],
    LOADED: ['#localFrom', '#localTo'],
  },
  'platform/deadlines.ts': {
    CACHE: ['readAt', 'deadline', 'receiveDue'],
  },
  'platform/pci/msix.ts': {
    CACHE: ['one', 'capability'],
  },
  'platform/pci/pci-function.ts': {
    CACHE: ['initial', 'writable'],
  },
  'platform/platform.ts': {
    CACHE: ['portClaims'],
    WITHIN_RUN: ['action', 'debugValue'],
  },
  'platform/virtio/chain.ts': {
    WITHIN_RUN: ['readable', 'writable', 'readableBytes', 'writableBytes'],
  },
  'platform/virtio/console.ts': {
    WITHIN_RUN: ['piece'],
  },
  'platform/virtio/network.ts': {
    WITHIN_RUN: ['frame'],
  },
  'platform/virtio/virtio-pci.ts': {
    CACHE: ['one'],
  },
  'platform/virtio/virtual-devices.ts': {
    CACHE: ['console'],
  },
};
