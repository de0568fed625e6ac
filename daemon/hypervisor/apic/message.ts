// Delivers interrupt messages: from the I/O APIC and MSIs, from interrupt command registers, and from the LINT pins. Any thread.
// Why all by request bits: only the LP that runs a VP may change its registers (SDM 3A 11.6, 11.7, 11.11).
import { ApicError, DeliveryMode, FIRST_LEGAL_VECTOR, Icr, Lvt, Shorthand } from '../../../shared/abi/apic.js';
import { InterruptKind } from '../../../shared/layout/interrupt-log.js';
import { VpLayout, VpRequest, vpCounterIndex } from '../../../shared/layout/vp.js';
import type { ApicBus } from './apic-bus.js';
import { acceptsFixed, apicEnabled, BROADCAST_XAPIC, isDestination, lowestPriority } from './destination.js';
import { logApicError, request } from './post.js';

const AT = VpLayout.at;

/** Sets a request bit and kicks the VP if it is new. */
const ask = (bus: ApicBus, index: number, bit: number): void => {
  const vp = bus.vpBlock(index);
  if ((Atomics.or(vp.views.i32, (vp.base + AT.requests) >>> 2, bit) & bit) === 0) bus.kick(index);
};

/**
 * A processor takes an NMI at once and latches one more meanwhile. A VP looks later: two that come before it looks are two.
 */
const requestNmi = (bus: ApicBus, index: number): void => {
  const vp = bus.vpBlock(index);
  const at = (vp.base + AT.requests) >>> 2;
  if ((Atomics.or(vp.views.i32, at, VpRequest.NMI) & VpRequest.NMI) !== 0) Atomics.or(vp.views.i32, at, VpRequest.NMI_AGAIN);
  bus.kick(index);
};

/** INIT forgets a SIPI that came before it: the VP sees the two as one step, so the order must not be lost. */
const requestInit = (bus: ApicBus, index: number): void => {
  const vp = bus.vpBlock(index);
  const { i32 } = vp.views;
  const at = (vp.base + AT.requests) >>> 2;
  let before = Atomics.load(i32, at);
  for (;;) {
    const seen = Atomics.compareExchange(i32, at, before, (before & ~VpRequest.SIPI) | VpRequest.INIT);
    if (seen === before) break;
    before = seen;
  }
  bus.kick(index);
};

/** Hands one VP a message. `kind`: InterruptKind of its sender. False: it was not accepted. */
const deliverTo = (bus: ApicBus, index: number, mode: number, vector: number, level: boolean, kind: number): boolean => {
  const vp = bus.vpBlock(index);
  switch (mode) {
    case DeliveryMode.FIXED:
    case DeliveryMode.LOWEST_PRIORITY:
      if (!acceptsFixed(vp)) return false;
      if (vector < FIRST_LEGAL_VECTOR) {
        if (logApicError(vp, ApicError.RECEIVE_ILLEGAL_VECTOR)) bus.kick(index);
        return false;
      }
      request(bus, index, vector, level, kind);
      return true;
    case DeliveryMode.NMI:
      requestNmi(bus, index);
      return true;
    case DeliveryMode.INIT:
      requestInit(bus, index);
      return true;
    case DeliveryMode.SIPI:
      Atomics.store(vp.views.i32, (vp.base + AT.sipiVector) >>> 2, vector);
      ask(bus, index, VpRequest.SIPI);
      return true;
    case DeliveryMode.EXT_INT:
      // The vector is the 8259's: the VP asks for it when it takes the interrupt.
      Atomics.store(vp.views.i32, (vp.base + AT.extInt) >>> 2, 1);
      bus.kick(index);
      return true;
    default:
      // SMI: there is no system management mode here.
      return false;
  }
};

/** An IPI to one VP: fixed and edge-triggered, whoever asks for it. */
export const deliverFixed = (bus: ApicBus, index: number, vector: number): boolean =>
  deliverTo(bus, index, DeliveryMode.FIXED, vector, false, InterruptKind.IPI);

/** A message by destination, as on the system bus. False: nobody accepted it. */
export const deliverMessage = (
  bus: ApicBus,
  destination: number,
  logical: boolean,
  mode: number,
  vector: number,
  level: boolean,
  broadcast: number = BROADCAST_XAPIC,
  kind: number = InterruptKind.DEVICE,
): boolean => {
  if (mode === DeliveryMode.LOWEST_PRIORITY) {
    const index = lowestPriority(bus, destination, logical, broadcast, vector);
    return index >= 0 && deliverTo(bus, index, mode, vector, level, kind);
  }
  let accepted = false;
  for (let index = 0; index < bus.vpCount; index++) {
    if (isDestination(bus.vpBlock(index), destination, logical, broadcast))
      accepted = deliverTo(bus, index, mode, vector, level, kind) || accepted;
  }
  return accepted;
};

/** Executes the interrupt command of VP `sender`: `low` = ICR 31:0, `destination` in the width of the sender's mode (SDM 3A 11.6.1). */
export const sendIpi = (bus: ApicBus, sender: number, low: number, destination: number, broadcast: number): void => {
  const vp = bus.vpBlock(sender);
  const mode = (low >>> 8) & 7;
  const vector = low & 0xff;
  const shorthand = (low >>> Icr.SHORTHAND_SHIFT) & 3;
  const counters = vp.counters >>> 2;
  vp.views.u32[counters + vpCounterIndex.apicIpisSent]++;
  if (mode <= DeliveryMode.LOWEST_PRIORITY && vector < FIRST_LEGAL_VECTOR) {
    if (logApicError(vp, ApicError.SEND_ILLEGAL_VECTOR)) bus.kick(sender);
    return;
  }
  // ExtINT is the I/O APIC's and LINT0's to send; in the ICR its code is reserved (SDM 3A 11.6.1).
  if (mode === DeliveryMode.EXT_INT) return;
  // INIT level de-assert only synchronised arbitration IDs, and does nothing on processors that have none (SDM 3A 11.6.1).
  if (mode === DeliveryMode.INIT && (low & Icr.LEVEL) !== 0 && (low & Icr.ASSERT) === 0) return;
  // SDM 3A tables 11-3, 11-4: to oneself, alone or among all, only fixed interrupts can be sent. IPIs are edge-triggered.
  switch (shorthand) {
    case Shorthand.SELF:
      if (mode !== DeliveryMode.FIXED) return;
      vp.views.u32[counters + vpCounterIndex.apicSelfIpisSent]++;
      deliverTo(bus, sender, mode, vector, false, InterruptKind.IPI);
      return;
    case Shorthand.ALL:
      if (mode !== DeliveryMode.FIXED) return;
      for (let index = 0; index < bus.vpCount; index++) deliverTo(bus, index, mode, vector, false, InterruptKind.IPI);
      return;
    case Shorthand.OTHERS:
      if (mode === DeliveryMode.LOWEST_PRIORITY) {
        const index = lowestPriority(bus, broadcast, false, broadcast, vector, sender);
        if (index >= 0) deliverTo(bus, index, mode, vector, false, InterruptKind.IPI);
        return;
      }
      for (let index = 0; index < bus.vpCount; index++) {
        if (index !== sender && apicEnabled(bus.vpBlock(index))) deliverTo(bus, index, mode, vector, false, InterruptKind.IPI);
      }
      return;
    default:
      deliverMessage(bus, destination, (low & Icr.LOGICAL) !== 0, mode, vector, false, broadcast, InterruptKind.IPI);
  }
};

/**
 * An edge on a VP's LINT0 or LINT1 pin goes where the LVT entry says (SDM 3A 11.5.1). ExtINT only kicks: the VP asks `acceptsExtInt` and
 * then acknowledges the 8259 itself. False: masked.
 */
export const assertLint = (bus: ApicBus, index: number, pin: 0 | 1): boolean => {
  const vp = bus.vpBlock(index);
  let mode: number = pin === 0 ? DeliveryMode.EXT_INT : DeliveryMode.NMI;
  let vector = 0;
  if (apicEnabled(vp)) {
    const lvt = Atomics.load(vp.views.i32, (vp.base + (pin === 0 ? AT.lvtLint0 : AT.lvtLint1)) >>> 2);
    if ((lvt & Lvt.MASKED) !== 0) return false;
    mode = (lvt >>> 8) & 7;
    vector = lvt & 0xff;
  }
  if (mode === DeliveryMode.EXT_INT) {
    bus.kick(index);
    return true;
  }
  return deliverTo(bus, index, mode, vector, false, InterruptKind.DEVICE);
};
