// Which local APICs a message is for: physical, flat and cluster logical, x2APIC logical destinations, and lowest-priority arbitration (SDM 3A 11.6.2, 11.12.10).
// All of it is asked by senders about other VPs: it reads words that their owners may be changing, as a message on a real bus would.
import { ApicBase, EOI_MARKER, Svr } from '../../../shared/abi/apic.js';
import { type VpBlock, VpLayout } from '../../../shared/layout/vp.js';
import type { ApicBus } from './apic-bus.js';
import { highestVector } from './vector-set.js';

const AT = VpLayout.at;
/** A word is read whole, and no order with other words is asked for: a plain read, at a tenth of the price of one by Atomics. */
const peek = (vp: VpBlock, at: number): number => vp.views.u32[(vp.base + at) >>> 2];

/** Destination that means every local APIC, in the width of the message. */
export const BROADCAST_XAPIC = 0xff;
export const BROADCAST_X2APIC = 0xffff_ffff;

export const apicEnabled = (vp: VpBlock): boolean => (peek(vp, AT.apicBase) & ApicBase.ENABLE) !== 0;
export const inX2Apic = (vp: VpBlock): boolean =>
  (peek(vp, AT.apicBase) & (ApicBase.ENABLE | ApicBase.X2APIC)) === (ApicBase.ENABLE | ApicBase.X2APIC);
/** Fixed and lowest-priority messages are for local APICs that are enabled, by hardware and by software (SDM 3A 11.4.7.2). */
export const acceptsFixed = (vp: VpBlock): boolean => apicEnabled(vp) && (peek(vp, AT.apicSvr) & Svr.ENABLE) !== 0;

/** Logical x2APIC ID: cluster 31:16, one bit of 15:0 (SDM 3A 11.12.10.2). */
export const x2ApicLogicalId = (apicId: number): number => (((apicId >>> 4) << 16) | (1 << (apicId & 15))) >>> 0;

const matchesLogical = (vp: VpBlock, destination: number): boolean => {
  if (inX2Apic(vp)) {
    const id = x2ApicLogicalId(peek(vp, AT.apicId));
    return destination >>> 16 === id >>> 16 && (destination & id & 0xffff) !== 0;
  }
  const ldr = peek(vp, AT.apicLdr) >>> 24;
  if (destination > 0xff) return false;
  if (peek(vp, AT.apicDfr) >>> 28 === 0xf) return (ldr & destination) !== 0;
  const cluster = destination >>> 4;
  return (cluster === 0xf || cluster === ldr >>> 4) && (ldr & destination & 0xf) !== 0;
};

/** Whether a message to `destination` is for the VP. `broadcast`: the value of `destination` that names all. */
export const isDestination = (vp: VpBlock, destination: number, logical: boolean, broadcast: number): boolean => {
  if (!apicEnabled(vp)) return false;
  if (destination === broadcast) return true;
  return logical ? matchesLogical(vp, destination) : peek(vp, AT.apicId) === destination;
};

const NOBODY = -1;

/** The highest vector in service as the VP's guest has it, or -1: what it has ended in the assist page is in service no longer, though its LP has not looked there yet. */
const highestInService = (vp: VpBlock): number => {
  const { i32 } = vp.views;
  const highest = highestVector(i32, vp.isr);
  const marker = peek(vp, AT.eoiMarker);
  return marker !== 0 && (i32[marker >>> 2] & EOI_MARKER) === 0 ? highestVector(i32, vp.isr, highest) : highest;
};

/** Arbitration priority class: the highest of TPR, ISR and IRR (SDM 3A 11.6.2.4). */
const arbitrationClass = (vp: VpBlock): number => {
  const { i32 } = vp.views;
  return Math.max(peek(vp, AT.apicTpr) & 0xff, highestInService(vp), highestVector(i32, vp.irr), highestVector(i32, vp.newIrr)) >> 4;
};

/** The VP that takes a lowest-priority message, or -1. Among equals the vector picks, so that devices spread over VPs and the choice repeats. `except`: a sender that is not meant. */
export const lowestPriority = (
  bus: ApicBus,
  destination: number,
  logical: boolean,
  broadcast: number,
  vector: number,
  except = NOBODY,
): number => {
  let best = -1;
  let bestClass = 16;
  for (let step = 0; step < bus.vpCount; step++) {
    const index = (vector + step) % bus.vpCount;
    const vp = bus.vpBlock(index);
    if (index === except || !acceptsFixed(vp) || !isDestination(vp, destination, logical, broadcast)) continue;
    const candidate = arbitrationClass(vp);
    if (candidate < bestClass) {
      best = index;
      bestClass = candidate;
    }
  }
  return best;
};
