// PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM: comparisons of two short strings (SDM 1 14.11, SDM 2B 4.1).
import { RESULT, SCRATCH } from './layout';

const CF: i64 = 1;
const ZF: i64 = 0x40;
const SF: i64 = 0x80;
const OF: i64 = 0x800;

/** Element n of operand 1 (at 0) or 2 (at 16). */
function element(vp: i32, operand: i32, n: i32, control: i32): i32 {
  if ((control & 1) != 0) {
    const at = vp + operand + 2 * n;
    return (control & 2) != 0 ? <i32>load<i16>(at, SCRATCH) : <i32>load<u16>(at, SCRATCH);
  }
  const at = vp + operand + n;
  return (control & 2) != 0 ? <i32>load<i8>(at, SCRATCH) : <i32>load<u8>(at, SCRATCH);
}
/** Elements before the first zero. */
function implicitLength(vp: i32, operand: i32, control: i32, count: i32): i32 {
  let n = 0;
  while (n < count && element(vp, operand, n, control) != 0) n++;
  return n;
}

function anyEqual(vp: i32, j: i32, control: i32, length1: i32): bool {
  const b = element(vp, 16, j, control);
  for (let i = 0; i < length1; i++) if (element(vp, 0, i, control) == b) return true;
  return false;
}
function inRange(vp: i32, j: i32, control: i32, length1: i32): bool {
  const b = element(vp, 16, j, control);
  for (let i = 0; i + 1 < length1; i += 2) if (element(vp, 0, i, control) <= b && b <= element(vp, 0, i + 1, control)) return true;
  return false;
}
/** Operand 1 is found at j, as far as operand 2 goes. */
function foundAt(vp: i32, j: i32, control: i32, length1: i32, length2: i32, count: i32): bool {
  for (let i = 0; i < length1 && i + j < count; i++) {
    if (i + j >= length2 || element(vp, 0, i, control) != element(vp, 16, i + j, control)) return false;
  }
  return true;
}

/** `control` is the immediate. The mask goes to RESULT; flags | index << 16 are returned. */
export function compareStrings(vp: i32, control: i32, implicit: bool, length1: i32, length2: i32): i64 {
  const count = (control & 1) != 0 ? 8 : 16;
  if (implicit) {
    length1 = implicitLength(vp, 0, control, count);
    length2 = implicitLength(vp, 16, control, count);
  } else {
    length1 = min(length1, count);
    length2 = min(length2, count);
  }
  const aggregation = (control >> 2) & 3;
  let found = 0;
  for (let j = 0; j < count; j++) {
    const valid = j < length2;
    let bit: bool;
    if (aggregation == 0) bit = valid && anyEqual(vp, j, control, length1);
    else if (aggregation == 1) bit = valid && inRange(vp, j, control, length1);
    else if (aggregation == 2)
      bit = valid && j < length1 ? element(vp, 0, j, control) == element(vp, 16, j, control) : !valid && j >= length1;
    else bit = foundAt(vp, j, control, length1, length2, count);
    found |= i32(bit) << j;
  }
  const all = (1 << count) - 1;
  if ((control & 0x30) == 0x10) found ^= all;
  else if ((control & 0x30) == 0x30) found ^= (1 << length2) - 1;

  const most = (control & 0x40) != 0;
  const index = found == 0 ? count : most ? 31 - clz(found) : ctz(found);
  store<u64>(vp, most ? 0 : <u64>found, RESULT);
  store<u64>(vp, 0, RESULT + 8);
  if (most)
    for (let j = 0; j < count; j++) {
      const ones = -((found >> j) & 1);
      if (count == 8) store<i16>(vp + 2 * j, <i16>ones, RESULT);
      else store<i8>(vp + j, <i8>ones, RESULT);
    }
  let flags: i64 = found != 0 ? CF : 0;
  if (length2 < count) flags |= ZF;
  if (length1 < count) flags |= SF;
  if ((found & 1) != 0) flags |= OF;
  return flags | ((<i64>index) << 16);
}
