// Delivery of interrupts and exceptions: picks the mode's way in, and turns faults on the way into double and triple faults.
// References: SDM 3A 6.12 (protected mode), 6.14 (64-bit mode), 6.15 and tables 6-4, 6-5 (#DF), SDM 3B 20.1.4 (real mode).
import { hasErrorCode, isContributory, isFault, Vector } from '../../../shared/abi/exceptions.js';
import { Rflags } from '../../../shared/abi/registers.js';
import { EventKind, VpLayout, vpCounterIndex } from '../../../shared/layout/vp.js';
import { leaveGeneralDetect } from '../debug-unit.js';
import { GuestFault, type Processor } from '../processor.js';
import { deliverLong } from './deliver-long.js';
import { deliverProtected } from './deliver-protected.js';
import { deliverReal } from './deliver-real.js';
import { isLongMode, isProtectedMode } from './mode.js';
import { ripOf } from './slots.js';

/** What a fault during the delivery of an exception amounts to. */
export const Promotion = { SERIAL: 0, DOUBLE_FAULT: 1, SHUTDOWN: 2 } as const;

/** SDM 3A table 6-5: exception `second` while exception `first` was being delivered. */
export const promote = (first: number, second: number): 0 | 1 | 2 => {
  const severe = isContributory(second) || second === Vector.PF;
  if (first === Vector.DF) return severe ? Promotion.SHUTDOWN : Promotion.SERIAL;
  if (first === Vector.PF && severe) return Promotion.DOUBLE_FAULT;
  return isContributory(first) && isContributory(second) ? Promotion.DOUBLE_FAULT : Promotion.SERIAL;
};

const COUNTER = (VpLayout.at.counters >>> 2) + vpCounterIndex.exceptionsDelivered;

/** Events that leave no trace but their frame. */
const isPlain = (kind: number, vector: number): boolean => kind !== EventKind.NMI && (kind !== EventKind.EXCEPTION || vector !== Vector.DB);

const deliverOnce = (p: Processor, kind: number, vector: number, error: number, nextRip: number): void => {
  const vp = p.vp;
  if (p.shortcuts !== undefined && isPlain(kind, vector)) {
    const fault = kind === EventKind.EXCEPTION && isFault(vector);
    if (p.shortcuts.deliver(kind, vector, error, nextRip, fault ? Rflags.RF : 0) !== 0) {
      if (kind === EventKind.EXCEPTION) vp.views.u32[(vp.base >>> 2) + COUNTER]++;
      return;
    }
  }
  if (!isProtectedMode(vp)) deliverReal(p, vector, nextRip);
  else if (isLongMode(vp)) deliverLong(p, kind, vector, error, nextRip);
  else deliverProtected(p, kind, vector, error, nextRip);
  vp.interruptShadow = 0;
  p.debug.stepTrap = false;
  if (vector === Vector.DB && kind === EventKind.EXCEPTION) leaveGeneralDetect(vp);
  if (kind === EventKind.NMI) vp.nmiBlocked = 1;
  else if (kind === EventKind.EXCEPTION) vp.views.u32[(vp.base >>> 2) + COUNTER]++;
};

/**
 * Delivers an event: afterwards RIP is at the handler, or the VP has shut down (`intercepts.tripleFault`). Never throws GuestFault.
 * `kind` is an EventKind; `error` -1 = no error code; `nextRip` is the RIP to save: that of the instruction for faults, of the next for traps and INT n.
 * The RIP slot must hold the instruction at hand: a fault in delivery is reported there.
 */
export const deliver = (p: Processor, kind: number, vector: number, error: number, nextRip: number): void => {
  for (;;) {
    try {
      deliverOnce(p, kind, vector, error, nextRip);
      return;
    } catch (caught) {
      if (!(caught instanceof GuestFault)) throw caught;
      const promotion = kind === EventKind.EXCEPTION ? promote(vector, caught.vector) : Promotion.SERIAL;
      if (promotion === Promotion.SHUTDOWN) {
        p.intercepts.tripleFault();
        return;
      }
      kind = EventKind.EXCEPTION;
      vector = promotion === Promotion.DOUBLE_FAULT ? Vector.DF : caught.vector;
      error = promotion === Promotion.DOUBLE_FAULT ? 0 : caught.error;
      nextRip = ripOf(p.vp);
    }
  }
};

/** Delivers an exception at RIP. A missing error code is 0 where the vector has one. */
export const deliverFault = (p: Processor, vector: number, error = -1): void =>
  deliver(p, EventKind.EXCEPTION, vector, hasErrorCode(vector) ? Math.max(error, 0) : -1, ripOf(p.vp));
