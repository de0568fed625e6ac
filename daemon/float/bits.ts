// Loops over the bits of general registers: CRC32, PDEP, PEXT. References: SDM 2A CRC32, SDM 2B PDEP, PEXT.

/** 11EDC6F41h with its bits reversed, as the instruction keeps its remainder. */
const POLYNOMIAL: u32 = 0x82f6_3b78;

/** CRC32: a = bytes to take << 32 | the CRC so far, b = the bytes. */
export function crc32c(vp: i32, a: i64, b: i64): i64 {
  const bits = (<i32>(a >> 32)) << 3;
  let crc = <u32>a;
  let rest = <u64>b;
  for (let i = 0; i < bits; i += 8) {
    crc ^= <u32>(rest & 0xff);
    rest >>= 8;
    for (let k = 0; k < 8; k++) crc = (crc >> 1) ^ (POLYNOMIAL & (0 - (crc & 1)));
  }
  return <i64>(<u64>crc);
}
/** PDEP: low bits of a to the places that the mask b has. */
export function depositBits(vp: i32, a: i64, b: i64): i64 {
  let mask = b;
  let rest = a;
  let result: i64 = 0;
  while (mask != 0) {
    const lowest = mask & (0 - mask);
    if ((rest & 1) != 0) result |= lowest;
    rest >>= 1;
    mask ^= lowest;
  }
  return result;
}
/** PEXT: bits of a at the places that the mask b has, side by side. */
export function extractBits(vp: i32, a: i64, b: i64): i64 {
  let mask = b;
  let result: i64 = 0;
  let place: i64 = 1;
  while (mask != 0) {
    const lowest = mask & (0 - mask);
    if ((a & lowest) != 0) result |= place;
    place <<= 1;
    mask ^= lowest;
  }
  return result;
}
