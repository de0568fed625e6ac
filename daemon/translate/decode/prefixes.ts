// The legacy prefixes before an opcode, found by a scan of the bytes (SDM 2A 2.1.1).
// Why not from the decoder: nearly all instructions have none, and one look at the first byte says so.

/** Bits of a scan's result; the number of prefix bytes (REX included) stands above them. */
export const Prefix = { LOCK: 1, SEGMENT: 2, ADDRESS_SIZE: 4, OTHER: 8, COUNT_SHIFT: 8 } as const;

const KINDS = new Uint8Array(256);
KINDS[0xf0] = Prefix.LOCK;
for (const segment of [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65]) KINDS[segment] = Prefix.SEGMENT;
KINDS[0x67] = Prefix.ADDRESS_SIZE;
for (const other of [0x66, 0xf2, 0xf3]) KINDS[other] = Prefix.OTHER;
const KINDS_64 = KINDS.slice();
for (let rex = 0x40; rex < 0x50; rex++) KINDS_64[rex] = Prefix.OTHER;

/** Which prefixes stand at the offset, or'ed, and how many bytes they take. */
export const scanPrefixes = (bytes: Uint8Array, at: number, bits: 16 | 32 | 64): number => {
  const kinds = bits === 64 ? KINDS_64 : KINDS;
  let found = 0;
  let i = at;
  for (; i < bytes.length; i++) {
    const kind = kinds[bytes[i]];
    if (kind === 0) break;
    found |= kind;
  }
  return found | ((i - at) << Prefix.COUNT_SHIFT);
};
