// The policies: every mechanism that can be switched while guests run, its settings, and the word of the machine header that LPs read it from.
// Why words in memory: an LP looks at its policy with one load; there is no message to miss.
import { type MachineHeader, MachineLayout } from '../layout/machine.js';
import { PartitionLayout, PartitionMap } from '../layout/partition.js';
import type { Views } from '../layout/struct.js';
import { HvdError } from './errors.js';
import type { PolicyInfo } from './messages.js';

export interface Policy {
  readonly name: string;
  /** Setting i is stored as the number i. With `set`: the words of the set and `off`; it is stored as bits, word i as bit i. */
  readonly values: readonly string[];
  /** A setting is `off` or any of these words joined by `+`. */
  readonly set?: readonly string[];
  readonly baseline: string;
  readonly default: string;
  readonly meaning: string;
  /** Index of the policy's i32 in the machine header. */
  readonly word: number;
  /** A partition may have a setting of its own: its header has a word with the same index. */
  readonly perPartition?: true;
}

const setOf = (...words: string[]): Pick<Policy, 'values' | 'set'> => ({ values: ['off', ...words], set: words });

export const POLICIES: readonly Policy[] = [
  {
    name: 'vtlb.lock',
    values: ['generation', 'global', 'fine'],
    baseline: 'global',
    default: 'generation',
    meaning:
      'what keeps vTLB fills and invalidations apart: a generation counter for each LP (US7788464B2), one lock for the partition, or a lock for each shadow table',
    word: 0,
  },
  {
    name: 'vtlb.flush',
    values: ['generation', 'walk'],
    baseline: 'walk',
    default: 'generation',
    meaning:
      'how everything is forgotten at once: a new generation makes every address space begin with an empty root, or every entry is cleared',
    word: 1,
  },
  {
    name: 'vtlb.reclaim',
    values: ['deferred', 'immediate'],
    baseline: 'immediate',
    default: 'deferred',
    meaning: 'how shadow tables are freed: many unlinked tables after one wait for fills and walkers, or each after a shootdown of its own',
    word: 2,
  },
  {
    name: 'vtlb.pages',
    values: ['all', '64', '128', '256', '512', '1024', '2048', '4096', '8192'],
    baseline: 'all',
    default: 'all',
    meaning: 'most shadow tables of a partition (never fewer than 16 for each LP that runs it); beyond that tables are evicted',
    word: 3,
  },
  {
    name: 'vtlb.pervp',
    values: ['off', 'on'],
    baseline: 'on',
    default: 'off',
    meaning: 'whether each VP has shadow tables of its own, or VPs in one address space share them',
    word: 4,
  },
  {
    name: 'vtlb.protect',
    values: ['deferred', 'immediate'],
    baseline: 'immediate',
    default: 'deferred',
    meaning: 'how guest page tables are write-protected again after edits: all of them after one shootdown, or each after one of its own',
    word: 5,
  },
  {
    name: 'vtlb.numa',
    values: ['local', 'instance', 'off'],
    baseline: 'off',
    default: 'local',
    meaning: 'the node of a shadow table: that of the guest table it shadows, one vTLB for each node, or all nodes in turn',
    word: 6,
  },
  {
    name: 'vtlb.share',
    values: ['off', '2', '3'],
    baseline: 'off',
    default: 'off',
    meaning:
      'level at which address spaces of 64-bit guests share the shadow tables of their upper halves: 2 a page directory, 3 a page directory pointer table',
    word: 7,
  },
  {
    name: 'vtlb.coalesce',
    values: ['off', '16', '64', '256', '1024', '4096'],
    baseline: 'off',
    default: 'off',
    meaning:
      'shadow tables made between two passes that merge those which several address spaces of a 64-bit guest have of one guest table at one place, with the same attributes',
    word: 14,
  },
  {
    name: 'vtlb.tags',
    values: ['1', '2', '4', '8', '16', '32', '64'],
    baseline: '1',
    default: '64',
    meaning: 'address spaces whose translations outlive MOV CR3 (US20080215848A1); 1: each CR3 write purges',
    word: 8,
  },
  {
    name: 'vtlb.track',
    values: ['mapping', 'rmap', 'write'],
    baseline: 'write',
    default: 'mapping',
    meaning:
      'how edits of guest page tables are found: by intercepting the creation of writable mappings, with a reverse map of all writable mappings, or by a trap for each write',
    word: 9,
  },
  {
    name: 'vtlb.untracked',
    values: ['0', '16', '64', '256', '1024'],
    baseline: '0',
    default: '64',
    meaning:
      'visits to page tables with unknown writable mappings after which all translations are purged to know them (vtlb.track=mapping, write)',
    word: 10,
  },
  {
    name: 'apic.eoi',
    values: ['exit', 'assist', 'auto'],
    baseline: 'exit',
    default: 'assist',
    meaning:
      'how guests may end interrupts: by an intercept each, through the VP assist page, or also by vectors that are never in service (US20080141277A1); what a guest has set up holds under every setting',
    word: 11,
    perPartition: true,
  },
  {
    name: 'apic.physicalSeoi',
    values: ['off', 'on'],
    baseline: 'off',
    default: 'off',
    meaning:
      'whether the physical APICs of the simulated machine can end a named vector; off: ends of interrupts that are passed through wait for what is above them',
    word: 12,
  },
  {
    name: 'synic.pending',
    values: ['exact', 'always'],
    baseline: 'always',
    default: 'exact',
    meaning: 'when a message says that another one waits, so that its reader must write EOM: only if one does (US20080141277A1), or always',
    word: 13,
    perPartition: true,
  },
  {
    name: 'sched.policy',
    values: ['rr', 'credit', 'gang'],
    baseline: 'rr',
    default: 'credit',
    meaning:
      'which of the ready VPs an LP runs: each in turn, the one that is furthest behind its weight, or those of the partition whose turn it is on all LPs at once',
    word: 24,
  },
  {
    name: 'sched.balance',
    values: ['on', 'off'],
    baseline: 'off',
    default: 'on',
    meaning: 'whether LPs with several ready VPs give some to others that have none or fewer, or each VP stays where it was placed',
    word: 25,
  },
  {
    name: 'sched.poll',
    values: ['adaptive', 'off'],
    baseline: 'off',
    default: 'adaptive',
    meaning:
      'realtime clock, where the host has a core for each LP: whether an LP that was woken soon after it had gone to sleep looks for work for up to 200 µs before it sleeps again, or sleeps at once',
    word: 31,
  },
  {
    name: 'spin.detect',
    ...setOf('hypercall', 'pause', 'idle', 'ipi', 'loop'),
    baseline: 'off',
    default: 'hypercall+pause+idle',
    meaning:
      'how an LP learns that a VP spins for another and runs that instead: the guest says so, PAUSEs in quick succession, the guest waits by an MSR, a loop is proved to do nothing but wait; ipi: of those that it may wait for, whom it sent an interrupt comes first',
    word: 26,
  },
  {
    name: 'spin.hints',
    ...setOf('if', 'tpr', 'inspect', 'word'),
    baseline: 'off',
    default: 'if+tpr+inspect+word',
    meaning:
      'what tells that a VP at level 0 is in a critical section (spin.extend): interrupts off, a raised task priority, RIP in ranges that its partition names, or a word of the VP that it names',
    word: 27,
  },
  {
    name: 'spin.extend',
    values: ['off', '1x50000', '1x100000', '2x100000', '1x200000', '4x100000'],
    baseline: 'off',
    default: 'off',
    meaning:
      'a VP whose slice ends in a critical section goes on (US20100031254A1): how often a slice, and for how many cycles; taken from its next slices',
    word: 28,
  },
  {
    name: 'spin.express',
    values: ['off', 'on'],
    baseline: 'off',
    default: 'off',
    meaning: "whether the rest of a spinning VP's slice goes to the VP of its partition that it seems to wait for, or to whoever is next",
    word: 29,
  },
  {
    name: 'world.switch',
    values: ['direct', 'page'],
    baseline: 'direct',
    default: 'direct',
    meaning:
      'how an LP gets into legacy super-mode, which guests outside IA-32e mode need, and back: by the decoder flag alone, or by real code on a page that both modes map to itself (US7260702B2)',
    word: 30,
    perPartition: true,
  },
];

/** Bits of `spin.detect`. */
export const SpinDetect = { HYPERCALL: 1, PAUSE: 2, IDLE: 4, IPI: 8, LOOP: 16 } as const;
/** Bits of `spin.hints`. */
export const SpinHint = { INTERRUPTS_OFF: 1, TASK_PRIORITY: 2, INSPECTION: 4, WORD: 8 } as const;
/** Times and cycles of a setting of `spin.extend`. */
export const extensionOf = (setting: string): { readonly times: number; readonly cycles: number } => {
  const [times, cycles] = setting === 'off' ? [0, 0] : setting.split('x').map(Number);
  return { times, cycles };
};
/** Numbers of `sched.policy`. */
export const SchedPolicy = { RR: 0, CREDIT: 1, GANG: 2 } as const;
/** Numbers of `apic.eoi`: each offers what those before it do. */
export const ApicEoi = { EXIT: 0, ASSIST: 1, AUTO: 2 } as const;
/** Numbers of `world.switch`. */
export const WorldSwitching = { DIRECT: 0, PAGE: 1 } as const;
/** Numbers of `synic.pending`. */
export const SynicPending = { EXACT: 0, ALWAYS: 1 } as const;
/** Numbers of `vtlb.lock`. */
export const VtlbLock = { GENERATION: 0, GLOBAL: 1, FINE: 2 } as const;
/** Numbers of `vtlb.track`. */
export const VtlbTrack = { MAPPING: 0, RMAP: 1, WRITE: 2 } as const;

/** Throws policy.unknown. */
export const findPolicy = (name: string): Policy => {
  const policy = POLICIES.find((one) => one.name === name);
  if (policy === undefined) throw new HvdError('policy.unknown', { name });
  return policy;
};

/** -1: a word is not of the set, or comes twice. */
const bitsOf = (set: readonly string[], value: string): number => {
  if (value === 'off') return 0;
  const words = value.split('+');
  if (new Set(words).size < words.length || !words.every((word) => set.includes(word))) return -1;
  return words.reduce((bits, word) => bits | (1 << set.indexOf(word)), 0);
};
/** The setting with the number. */
const textOf = ({ values, set }: Policy, setting: number): string | undefined => {
  if (set === undefined) return values[setting];
  return set.filter((_, i) => ((setting >>> i) & 1) !== 0).join('+') || 'off';
};

/** Number of a setting. Throws policy.value. */
export const settingOf = ({ name, values, set }: Policy, value: string): number => {
  const setting = set === undefined ? values.indexOf(value) : bitsOf(set, value);
  if (setting < 0) throw new HvdError('policy.value', { name, value, values: values.join(', ') });
  return setting;
};

const indexOf = (header: MachineHeader, policy: Policy): number => (header.base + MachineLayout.at.policies) / 4 + policy.word;

export const readPolicy = (header: MachineHeader, policy: Policy): string =>
  textOf(policy, Atomics.load(header.views.i32, indexOf(header, policy))) ?? policy.default;

/** Throws policy.value; nothing is changed then. */
export const writePolicy = (header: MachineHeader, policy: Policy, value: string): void => {
  Atomics.store(header.views.i32, indexOf(header, policy), settingOf(policy, value));
};

/** Word of the partition's own setting, i32 index into its memory. */
const ownIndexOf = (policy: Policy): number => (PartitionMap.HEADER + PartitionLayout.at.policies) / 4 + policy.word;

/** Whether a partition has a setting of its own. */
export const hasOwn = (partition: Views, policy: Policy): boolean => Atomics.load(partition.i32, ownIndexOf(policy)) !== 0;

/** The setting that holds in a partition. */
export const readPolicyOf = (partition: Views, header: MachineHeader, policy: Policy): string => {
  const own = Atomics.load(partition.i32, ownIndexOf(policy));
  return (own === 0 ? undefined : textOf(policy, own - 1)) ?? readPolicy(header, policy);
};

/** In place of a setting: a partition has none of its own. */
export const INHERIT = 'inherit';

/** Throws policy.machine. */
export const checkIsOwn = (policy: Policy): void => {
  if (policy.perPartition !== true) throw new HvdError('policy.machine', { name: policy.name });
};
/** Number of a setting that a partition is to have of its own. Throws policy.value, policy.machine. */
export const checkOwn = (policy: Policy, value: string): number => {
  checkIsOwn(policy);
  return settingOf(policy, value);
};

/** Gives a partition a setting of its own, or takes it back (undefined). Throws policy.value, policy.machine; nothing is changed then. */
export const writePolicyOf = (partition: Views, policy: Policy, value: string | undefined): void => {
  Atomics.store(partition.i32, ownIndexOf(policy), value === undefined ? 0 : checkOwn(policy, value) + 1);
};

/** The number of the setting that holds in a partition, for LPs. */
export const settingIn = (partition: Views, machine: Views, { word }: Policy): number => {
  const own = partition.i32[(PartitionMap.HEADER + PartitionLayout.at.policies) / 4 + word];
  return own > 0 ? own - 1 : machine.i32[MachineLayout.at.policies / 4 + word];
};

export const describePolicy = (header: MachineHeader, policy: Policy): PolicyInfo => ({
  name: policy.name,
  value: readPolicy(header, policy),
  values: [...policy.values],
  baseline: policy.baseline,
  meaning: policy.meaning,
});
