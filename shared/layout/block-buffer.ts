// What a block device and root share: requests in slots, each with room for one piece of data. A slot has one owner at a time.
//
//   FREE -> POSTED: the device, under the partition's lock, which then adds 1 to `posted` and notifies.   POSTED -> DONE: root, which then notifies the state.
//   DONE -> FREE: the device.
import { accessor, block, i32, struct, u32, u64 } from './struct.js';

export const BLOCK_SLOTS = 16;
export const PIECE_BYTES = 0x1_0000;
export const SlotState = { FREE: 0, POSTED: 1, DONE: 2 } as const;
export const DiskOperation = { READ: 0, WRITE: 1, FLUSH: 2, WRITE_THROUGH: 3 } as const;

export const BlockSlotLayout = struct(
  'BlockSlot',
  {
    state: i32,
    operation: u32,
    /** Of the file. */
    offset: u64,
    bytes: u32,
    failed: u32,
    /** `posted` with this request counted: root carries them out in this order. */
    ticket: u32,
  },
  64,
);
export const BlockSlot = accessor(BlockSlotLayout);
export type BlockSlot = InstanceType<typeof BlockSlot>;

/** One piece of a wait for root, ms. */
const WAIT_MS = 500;
/**
 * Waits until root has done what is posted in the slot with that state word, `ms` at most; false: it has not. In pieces: a host that itself stands still for longer than that
 * (a virtual machine that is saved, a laptop) costs one of them.
 */
export const awaitDone = (i32: Int32Array, state: number, ms: number): boolean => {
  for (let left = ms; left > 0 && Atomics.load(i32, state) === SlotState.POSTED; left -= WAIT_MS)
    Atomics.wait(i32, state, SlotState.POSTED, Math.min(WAIT_MS, left));
  return Atomics.load(i32, state) === SlotState.DONE;
};

export const BlockBufferLayout = struct('BlockBuffer', {
  posted: i32,
  slots: block(BLOCK_SLOTS * BlockSlotLayout.size, 64),
  data: block(BLOCK_SLOTS * PIECE_BYTES, 4096),
});
export const blockSlotAt = (buffer: number, slot: number): number => buffer + BlockBufferLayout.at.slots + slot * BlockSlotLayout.size;
export const blockDataAt = (buffer: number, slot: number): number => buffer + BlockBufferLayout.at.data + slot * PIECE_BYTES;
