// Where the stress test's pages and tables are: shared by its main thread and its workers.
import { PartitionMap } from '../../shared/layout/partition.js';

/** Two address spaces over the same lower tables. */
export const ROOTS: readonly number[] = [1, 2];
export const DIRECTORY_POINTERS = 3;
export const DIRECTORY = 4;
export const TABLE = 5;
export const SLOTS = 64;
export const FIRST_FRAME = 64;
export const FRAMES = 192;
/** Where the guest has the table itself: it is written through a translation, as a guest writes its tables. */
export const WINDOW_SLOT = 300;
/** A word that is only right if the bus lock excludes. */
export const BUS_COUNTER = PartitionMap.DEVICES;
/** Slots are spread over the upper tables, so that they need many SPTs, and over the upper half of the address space, which can be shared. */
export const UPPER_HALF = 256;
export const slotAddress = (slot: number): number =>
  -(2 ** 47) + (slot % 3) * 2 ** 39 + (slot % 5) * 2 ** 30 + (slot % 7) * 2 ** 21 + slot * 4096;
/** Changes of these slots are followed by MOV CR3 instead of INVLPG: SASes that are not loaded keep the old translation, legally. */
export const slotByMovCr3 = (slot: number): boolean => slot % 8 === 7;
