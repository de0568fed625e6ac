// iced's register numbers as slots, widths and segment numbers.
import { Register } from 'iced-x86';
import type { Width } from '../micro-op.js';

const COUNT = 256;
/** Slot of a general register in any width; 255 for others. */
export const REGISTER_SLOT: Uint8Array = new Uint8Array(COUNT).fill(255);
export const REGISTER_WIDTH: Uint8Array = new Uint8Array(COUNT);
/** 1 for AH, CH, DH, BH. */
export const REGISTER_IS_HIGH: Uint8Array = new Uint8Array(COUNT);

const define = (first: Register, count: number, width: Width, slot = 0): void => {
  for (let i = 0; i < count; i++) {
    REGISTER_SLOT[first + i] = slot + i;
    REGISTER_WIDTH[first + i] = width;
  }
};
define(Register.AL, 4, 0);
define(Register.AH, 4, 0);
for (let i = 0; i < 4; i++) REGISTER_IS_HIGH[Register.AH + i] = 1;
define(Register.SPL, 12, 0, 4);
define(Register.AX, 16, 1);
define(Register.EAX, 16, 2);
define(Register.RAX, 16, 3);

/** ES CS SS DS FS GS as 0..5 (encoding order). */
export const segmentNumber = (register: Register): number => register - Register.ES;
