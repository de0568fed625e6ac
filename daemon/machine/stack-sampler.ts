// Samples of the guest's call stack, taken each time a number of instructions has been retired: the same guest gives the same samples.
// Why frame pointers: they need no debug information and no cooperation. Where RBP is not one, the walk ends and the sample is flat.
//
//   [RBP]      RBP of the caller          [RBP + word]   return address          (System V ABI, 3.2.2)
import { Slot } from '../../shared/layout/vp.js';
import type { GuestProcessor } from './guest-processor.js';

/** Frames of one stack, bytes between two of them, and different stacks kept; what finds no room is counted as the innermost frame alone. */
const FRAMES_MAX = 64;
const FRAME_BYTES_MAX = 1 << 20;
export const STACKS_MAX = 1 << 15;

export class StackSampler {
  readonly period: number;
  readonly stacks = new Map<string, number>();
  /** Retired since the last sample. */
  #weight = 0;
  #last = '';

  constructor(period: number) {
    this.period = period;
  }

  retire(instructions: number): void {
    this.#weight += instructions;
  }

  /** Takes a sample when one is due. */
  sample(p: GuestProcessor): void {
    if (this.#weight < this.period) return;
    const frames = walk(p);
    const key = frames.join();
    this.#last = this.stacks.has(key) || this.stacks.size < STACKS_MAX ? key : String(frames[0]);
    this.settle();
  }

  /** What has been retired since the last sample belongs to it. */
  settle(): void {
    if (this.#weight > 0 && this.#last !== '') this.stacks.set(this.#last, (this.stacks.get(this.#last) ?? 0) + this.#weight);
    this.#weight = 0;
  }
}

/** Linear addresses, innermost first. */
const walk = (p: GuestProcessor): number[] => {
  const { code, memory, vp } = p;
  const { bits } = code.mode;
  const frames = [p.linearRip];
  if (bits === 16) return frames;
  const word = bits === 64 ? 8 : 4;
  const at = (vp.base + Slot.RBP * 8) >>> 2;
  const { i32, u32 } = p.views;
  const base = bits === 64 ? 0 : u32[(vp.base + Slot.SS_BASE * 8) >>> 2];
  let frame = bits === 64 ? i32[at + 1] * 4294967296 + u32[at] : u32[at];
  while (frames.length < FRAMES_MAX) {
    const caller = memory.peekWord(base + frame, word);
    const back = memory.peekWord(base + frame + word, word);
    if (!follows(p, back)) break;
    frames.push(back);
    if (!(caller > frame && caller - frame <= FRAME_BYTES_MAX)) break;
    frame = caller;
  }
  return frames;
};

/** Whether the address is one that a CALL has left: E8 rel32, or FF /2 in one of its lengths, stands before it. */
const follows = ({ memory }: GuestProcessor, address: number): boolean => {
  const byte = (back: number): number => memory.peekByte(address - back);
  if (!(address > 8 || address < 0)) return false;
  if (byte(5) === 0xe8) return true;
  for (const length of [2, 3, 4, 6, 7]) if (byte(length) === 0xff && ((byte(length - 1) >> 3) & 7) === 2) return true;
  return false;
};
