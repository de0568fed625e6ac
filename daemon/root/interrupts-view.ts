// Interrupts as an operator looks at them: by LP and vector, by source, by how they ended, message slots and queues, the last ones of one VP.
// Apart from the statistics, which everybody gets several times a second: this is for who asks.
import { EVENT_FLAGS_BYTES, MESSAGE_PENDING_WORD, Message, SINTS, Sint } from '../../shared/abi/synic.js';
import {
  INTERRUPT_KIND_NAMES,
  INTERRUPT_LOG,
  INTERRUPT_RECORD_SIZE,
  INTERRUPT_STATE_NAMES,
  InterruptKind,
  InterruptRecord,
  InterruptState,
} from '../../shared/layout/interrupt-log.js';
import type { LpBlock } from '../../shared/layout/machine.js';
import type { Views } from '../../shared/layout/struct.js';
import { type SintCounter, SynicLayout, sintCountAt, synicAt } from '../../shared/layout/synic.js';
import { type VpBlock, type VpCounter, vpCounterIndex } from '../../shared/layout/vp.js';
import { HvdError } from '../../shared/protocol/errors.js';
import type { InterruptLog, InterruptsInspect, PhysicalInterrupts, SintInspect } from '../../shared/protocol/messages.js';
import type { MachineMemory } from './machine-memory.js';
import type { Partition } from './partition.js';

/** Everything but `at` and `log`. */
export const viewInterrupts = (memory: MachineMemory, partitions: readonly Partition[]): Pick<InterruptsInspect, 'lps' | 'partitions'> => ({
  lps: memory.lps.map((block, id) => ({ id, byVector: vectorsOf(block), physical: physicalOf(block) })),
  partitions: partitions.map(({ name, body: { vps, views } }) => ({
    name,
    bySource: sourcesOf(vps),
    ends: Object.fromEntries(Object.entries(ENDS).map(([end, counter]) => [end, vps.reduce((sum, vp) => sum + counterOf(vp, counter), 0)])),
    sints: sintsOf(views, vps.length),
    eoms: vps.reduce((sum, { index }) => sum + views.u32[(synicAt(index) + SynicLayout.at.eoms) >>> 2]!, 0),
  })),
});

const counterOf = (vp: VpBlock, name: VpCounter): number => vp.views.u32[(vp.counters >>> 2) + vpCounterIndex[name]]!;

const vectorsOf = ({ views, vectorCounts }: LpBlock): Record<string, number> => {
  const byVector: Record<string, number> = {};
  for (let vector = 0; vector < 256; vector++) {
    const count = views.u32[(vectorCounts >>> 2) + vector]!;
    if (count > 0) byVector[vector] = count;
  }
  return byVector;
};

const physicalOf = (block: LpBlock): PhysicalInterrupts => ({
  eois: block.physicalEois,
  specificEois: block.physicalSpecificEois,
  deferredNow: block.deferredNow,
  deferredTotal: block.deferredTotal,
  deferredMax: block.deferredMax,
  revoked: block.revokedEois,
});

const ENDS = {
  exit: 'apicEoiAccesses',
  assist: 'lazyEois',
  auto: 'autoEois',
  specific: 'specificEois',
} as const satisfies Record<string, VpCounter>;

const sourcesOf = (vps: readonly VpBlock[]): Record<string, number> => {
  const of = (kind: number): number => vps.reduce((sum, vp) => sum + vp.views.u32[(vp.kindCounts >>> 2) + kind]!, 0);
  return {
    device: of(InterruptKind.DEVICE),
    ipi: of(InterruptKind.IPI),
    sint: of(InterruptKind.SINT),
    timer: of(InterruptKind.TIMER),
    pic: vps.reduce((sum, vp) => sum + counterOf(vp, 'externalInterrupts'), 0),
    other: of(InterruptKind.NONE),
  };
};

// --- synthetic interrupt controllers

const sintsOf = (views: Views, vps: number): SintInspect[] => {
  const found: SintInspect[] = [];
  for (let sint = 0; sint < SINTS; sint++) {
    const total: SintInspect = { sint, busy: 0, pending: 0, waiting: 0, flags: 0, messages: 0, events: 0, interrupts: 0 };
    let unmasked = false;
    for (let vp = 0; vp < vps; vp++) {
      const at = synicAt(vp);
      const enabled = views.i32[(at + SynicLayout.at.enabled) >>> 2] !== 0;
      unmasked ||= enabled && (views.u32[(at + SynicLayout.at.sints + sint * 8) >>> 2]! & Sint.MASKED) === 0;
      addSlot(total, views, at, sint);
      total.waiting += views.u32[((at + SynicLayout.at.depths) >>> 2) + sint]!;
      const count = (name: SintCounter): number => views.u32[sintCountAt(vp, name, sint) >>> 2]!;
      total.messages += count('messages');
      total.events += count('events');
      total.interrupts += count('interrupts');
    }
    if (unmasked || total.messages > 0 || total.events > 0) found.push(total);
  }
  return found;
};

/** What stands in the guest's own pages. The addresses are the hypervisor's: it has checked them when the guest named them. */
const addSlot = (total: SintInspect, { i32, u32 }: Views, at: number, sint: number): void => {
  const messages = Atomics.load(i32, (at + SynicLayout.at.messagePage) >>> 2);
  const events = Atomics.load(i32, (at + SynicLayout.at.eventPage) >>> 2);
  if (messages !== 0) {
    const slot = (messages + sint * Message.BYTES) >>> 2;
    if (u32[slot + (Message.TYPE >>> 2)] !== 0) {
      total.busy++;
      if ((u32[slot + (Message.SIZE >>> 2)]! & MESSAGE_PENDING_WORD) !== 0) total.pending++;
    }
  }
  if (events === 0) return;
  const flags = (events + sint * EVENT_FLAGS_BYTES) >>> 2;
  for (let word = flags; word < flags + (EVENT_FLAGS_BYTES >>> 2); word++)
    for (let bits = u32[word]!; bits !== 0; bits &= bits - 1) total.flags++;
};

// --- the log of one VP

/** Records have the low halves of clocks. */
export const viewInterruptLog = (partition: Partition, index: number, { lps }: MachineMemory): InterruptLog => {
  const vp = partition.body.vps[index];
  if (vp === undefined) throw new HvdError('vm.vp', { name: partition.name, vp: index, last: partition.body.vps.length - 1 });
  const clock = lps[Math.max(0, vp.lp)]?.clockNum ?? 0;
  const { i32, u32 } = vp.views;
  const head = vp.interruptLogHead;
  const records = Array.from({ length: Math.min(head, INTERRUPT_LOG) }, (_, i) => {
    const at = (vp.interruptLog + ((head - Math.min(head, INTERRUPT_LOG) + i) & (INTERRUPT_LOG - 1)) * INTERRUPT_RECORD_SIZE) >>> 2;
    const what = u32[at]!;
    const state = what >>> 16;
    const delivered = i32[at + (InterruptRecord.DELIVERED >>> 2)]!;
    return {
      vector: what & 0xff,
      kind: INTERRUPT_KIND_NAMES[(what >>> 8) & 0xff] ?? 'other',
      state: INTERRUPT_STATE_NAMES[state] ?? 'other',
      delivered: clock + ((delivered - clock) | 0),
      waitCycles: Math.max(0, (delivered - i32[at + (InterruptRecord.RAISED >>> 2)]!) | 0),
      servedCycles: state === InterruptState.SERVED ? null : Math.max(0, (i32[at + (InterruptRecord.ENDED >>> 2)]! - delivered) | 0),
    };
  });
  return { partition: partition.name, vp: index, clock, records };
};
