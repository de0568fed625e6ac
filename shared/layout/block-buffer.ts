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

export const BlockBufferLayout = struct('BlockBuffer', {
  posted: i32,
  slots: block(BLOCK_SLOTS * BlockSlotLayout.size, 64),
  data: block(BLOCK_SLOTS * PIECE_BYTES, 4096),
});
export const blockSlotAt = (buffer: number, slot: number): number => buffer + BlockBufferLayout.at.slots + slot * BlockSlotLayout.size;
export const blockDataAt = (buffer: number, slot: number): number => buffer + BlockBufferLayout.at.data + slot * PIECE_BYTES;
