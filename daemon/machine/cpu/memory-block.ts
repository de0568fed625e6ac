// Some hundred bytes of guest memory at once, for state images: by pages where they are ordinary memory, by bytes where they are not.
import type { Processor } from '../processor.js';
import { is64BitCode } from './mode.js';

const PAGE = 4096;

/** Calls `run` with each part of the block that lies in one page: its linear address, its offset in the block, its length. */
const byPages = (p: Processor, at: number, bytes: number, run: (linear: number, from: number, length: number) => void): void => {
  for (let from = 0; from < bytes; ) {
    const linear = is64BitCode(p.vp) ? at + from : (at + from) >>> 0;
    const length = Math.min(bytes - from, PAGE - (((linear % PAGE) + PAGE) % PAGE));
    run(linear, from, length);
    from += length;
  }
};

/** All of the block may be written, or the fault of a write is raised. */
export const probeBlock = (p: Processor, at: number, bytes: number): void =>
  byPages(p, at, bytes, (linear, _, length) => p.memory.probeWrite(linear, length));

/** Reads the block. `forWrite`: all of it may be written as well, or the fault of a write is raised. */
export const readBlock = (p: Processor, at: number, bytes: number, forWrite: boolean): Uint8Array => {
  const block = new Uint8Array(bytes);
  if (forWrite) probeBlock(p, at, bytes);
  byPages(p, at, bytes, (linear, from, length) => {
    const spa = p.memory.hostRead(linear);
    if (spa >= 0) block.set(p.views.u8.subarray(spa, spa + length), from);
    else for (let i = 0; i < length; i++) block[from + i] = p.memory.read8(linear + i);
  });
  return block;
};
/** Writes the block, which has been probed or read for writing. */
export const writeBlock = (p: Processor, at: number, block: Uint8Array): void =>
  byPages(p, at, block.length, (linear, from, length) => {
    const spa = p.memory.hostWrite(linear);
    if (spa >= 0) p.views.u8.set(block.subarray(from, from + length), spa);
    else for (let i = 0; i < length; i++) p.memory.write8(linear + i, block[from + i]);
  });
