// The A20 gate takes a bit from every address that leaves the processor, of tables too (SDM 3A 9.7: A20M#). Whoever moves it flushes the partition afterwards.
import { PartitionLayout, PartitionMap } from '../../../shared/layout/partition.js';
import type { Views } from '../../../shared/layout/struct.js';

/** The gate's word in the partition header: 0, or closed. */
export const A20_CLOSED = PartitionMap.HEADER + PartitionLayout.at.a20Closed;
/** Bits of frame numbers that reach memory. */
export const busOf = (closed: number): number => (closed === 0 ? -1 : ~(1 << (20 - 12)));
/** Frame of the table that CR3 names. */
export const rootTable = ({ i32 }: Views, cr3Lo: number, cr3Hi: number): number =>
  (((cr3Hi << 20) | (cr3Lo >>> 12)) & busOf(i32[A20_CLOSED >>> 2])) >>> 0;
