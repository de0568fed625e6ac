// Writes a VP's log of interrupts (layout/interrupt-log). Raising is noted by any thread, the rest by the owner LP.
import {
  INTERRUPT_LOG,
  INTERRUPT_RECORD_SIZE,
  InterruptRecord,
  InterruptState,
  RAISED_KIND,
} from '../../../shared/layout/interrupt-log.js';
import { type VpBlock, VpLayout } from '../../../shared/layout/vp.js';
import type { InterruptListener } from './apic-bus.js';

const RAISED_AT = VpLayout.at.raised;
const STATE_SHIFT = 16;

/** Before the request is visible: when and by what. A request that joins one that stands leaves that one's time. */
export const noteRaised = (vp: VpBlock, vector: number, kind: number, clock: number, listener?: InterruptListener): void => {
  const at = ((vp.base + RAISED_AT) >>> 2) + vector;
  if (Atomics.load(vp.views.i32, at) !== 0) return;
  Atomics.store(vp.views.i32, at, (clock & ~RAISED_KIND) | kind);
  listener?.raised(vp.index, vector, kind, clock & ~RAISED_KIND);
};

/** The VP takes the vector: a record of its own, and one more of its kind. */
export const noteDelivered = (vp: VpBlock, vector: number, clock: number, listener?: InterruptListener): void => {
  const { i32 } = vp.views;
  const raised = Atomics.exchange(i32, ((vp.base + RAISED_AT) >>> 2) + vector, 0);
  const head = vp.interruptLogHead;
  const record = recordAt(vp, head);
  i32[record] = vector | ((raised & RAISED_KIND) << 8);
  i32[record + (InterruptRecord.RAISED >>> 2)] = raised === 0 ? clock : raised & ~RAISED_KIND;
  i32[record + (InterruptRecord.DELIVERED >>> 2)] = clock;
  i32[record + (InterruptRecord.ENDED >>> 2)] = 0;
  vp.interruptLogHead = head + 1;
  i32[(vp.kindCounts >>> 2) + (raised & RAISED_KIND)]++;
  listener?.delivered(vp.index, vector, raised & RAISED_KIND, i32[record + (InterruptRecord.RAISED >>> 2)]);
};

/** The newest record of the vector that is still in service ends; `state`: how. */
export const noteEnded = (vp: VpBlock, vector: number, state: number, clock: number, listener?: InterruptListener): void => {
  const { i32 } = vp.views;
  for (let back = 1; back <= INTERRUPT_LOG; back++) {
    const record = recordAt(vp, vp.interruptLogHead - back);
    if ((i32[record] & 0xff) !== vector || i32[record] >>> STATE_SHIFT !== InterruptState.SERVED) continue;
    i32[record] |= state << STATE_SHIFT;
    i32[record + (InterruptRecord.ENDED >>> 2)] = clock;
    listener?.ended(vp.index, vector, state, i32[record + (InterruptRecord.RAISED >>> 2)]);
    return;
  }
};

const recordAt = (vp: VpBlock, position: number): number =>
  (vp.interruptLog + (position & (INTERRUPT_LOG - 1)) * INTERRUPT_RECORD_SIZE) >>> 2;
