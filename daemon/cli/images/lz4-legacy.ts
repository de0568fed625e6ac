// Unpacks the "legacy" LZ4 format, which Linux kernels are packed in: a magic number, then blocks with their length in front (lz4 Frame format 1.6, Legacy frame; Block format).

const MAGIC_BYTES = 4;
const MATCH_MIN = 4;
/** A length of four bits that goes on in bytes. */
const MORE = 15;

/** `length`: of what comes out. Throws RangeError where what is packed is not so. */
export const unpackLz4 = (packed: Uint8Array, length: number): Uint8Array => {
  const out = new Uint8Array(length);
  const blocks = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  let to = 0;
  for (let at = MAGIC_BYTES; at + 4 <= packed.length; ) {
    const size = blocks.getUint32(at, true);
    at += 4;
    if (at + size > packed.length) throw new RangeError(`an LZ4 block ends at ${at + size}, what is packed at ${packed.length}`);
    to = unpackBlock(packed.subarray(at, at + size), out, to);
    at += size;
  }
  return out.subarray(0, to);
};

/** Returns where the next block goes. */
const unpackBlock = (block: Uint8Array, out: Uint8Array, start: number): number => {
  let at = 0;
  let to = start;
  const lengthFrom = (nibble: number): number => {
    let length = nibble;
    if (nibble === MORE)
      for (let byte = 255; byte === 255; length += byte) {
        if (at >= block.length) throw new RangeError('an LZ4 length goes on after the end of its block');
        byte = block[at++]!;
      }
    return length;
  };
  while (at < block.length) {
    const token = block[at++]!;
    const literals = lengthFrom(token >>> 4);
    if (at + literals > block.length || to + literals > out.length) throw new RangeError('LZ4 literals go past their end');
    out.set(block.subarray(at, at + literals), to);
    at += literals;
    to += literals;
    // The last sequence is literals only.
    if (at === block.length) break;
    const distance = (block[at] ?? 0) | ((block[at + 1] ?? 0) << 8);
    at += 2;
    const match = lengthFrom(token & 15) + MATCH_MIN;
    if (distance === 0 || distance > to - start || to + match > out.length) throw new RangeError('an LZ4 match is outside what there is');
    // What a match repeats may be what it makes.
    if (distance >= match) out.copyWithin(to, to - distance, to - distance + match);
    else for (let i = 0; i < match; i++) out[to + i] = out[to + i - distance]!;
    to += match;
  }
  return to;
};
