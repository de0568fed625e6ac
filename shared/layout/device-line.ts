// Interrupt lines of the machine's test devices: a device's end, the redirection to an LP, and the partition that it is passed through to.
// Written by root while the line is not in use; the words marked so by any thread.
import { accessor, block, i32, struct, u32, u64 } from './struct.js';

export const DEVICE_LINES = 64;
export const DEVICE_LINE_SIZE = 128;
export const DeviceLineLayout = struct(
  'DeviceLine',
  {
    /** 1: the line is wired. */
    used: u32,
    /** 1: level-triggered. */
    level: u32,
    /** Where it interrupts, and its vector there. */
    lp: u32,
    vector: u32,
    /** Partition slot, or -1: passed through to nobody. */
    slot: i32,
    vp: u32,
    guestVector: u32,
    /** The device raises it by itself each so many cycles of its LP; 0 never. Atomics. */
    period: u32,
    nextDue: u64,
    /** What root asks of the line's LP: DeviceRequest bits. Atomics; root rings the LP afterwards. */
    requests: i32,
    // --- redirection. Atomics.
    /** LineState bits. */
    state: i32,
    // --- hypervisor, owner LP only
    /** 1: its vector is in service physically for the guest. */
    serving: u32,
    /** 1: taken from a guest that did not finish; that guest's EOI opens a level line again. */
    revoked: u32,
    /** LP clock, low half: when it was taken, and when the guest finished. */
    takenAt: u32,
    finishedAt: u32,
    // --- counters: raised by the device; taken by an LP; finished by the guest; ended at the physical APIC. Cycles from taking to the end, and of these after the finish.
    raised: u32,
    taken: u32,
    finished: u32,
    ended: u32,
    servedCycles: u64,
    deferredCycles: u64,
    _pad: block(0, 8),
  },
  DEVICE_LINE_SIZE,
);
export const DeviceLine = accessor(DeviceLineLayout);
export type DeviceLine = InstanceType<typeof DeviceLine>;

export const DeviceRequest = { RAISE: 1, LOWER: 2, OPEN: 4 } as const;
/** The line is high; its level interrupt is under way until the EOI comes (remote IRR); nothing is sent. */
export const LineState = { ASSERTED: 1, IN_FLIGHT: 2, MASKED: 4 } as const;
