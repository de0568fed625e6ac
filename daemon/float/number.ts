// The exact intermediate result of an operation, and its rounding to a format: the one place where results are rounded.
// References: SDM 1 4.8.4 (rounding), 4.9.1.5 (underflow; tininess is detected after rounding), 8.5.4, 8.5.5 (unmasked responses), 10.2.3.3 (flush to zero).
import { bias, DOWN, flushToZero, masked, NEAREST, OVERFLOW, PRECISION, raise, rounding, setRoundedUp, UNDERFLOW, UP } from './control';

/** What an operation gives. */
export const NUMBER: i32 = 0;
export const ZERO: i32 = 1;
export const INFINITE: i32 = 2;
/** The default NaN. */
export const INDEFINITE: i32 = 3;

/** Result of the last operation: its kind and sign, and for a number (high + low / 2^64) x 2^(exponent - 63), bit 63 of `high` set, bit 0 of `low` sticky. */
export let kind: i32 = NUMBER;
export let negative: i32 = 0;
export let exponent: i32 = 0;
export let high: u64 = 0;
export let low: u64 = 0;
/** After rounding: significand with bit 63 set, or clear for a denormal, whose exponent is the format's least. Infinity has the exponent above the greatest. */
export let significand: u64 = 0;

export function setNumber(sign: i32, scale: i32, hi: u64, lo: u64): void {
  kind = NUMBER;
  negative = sign;
  exponent = scale;
  high = hi;
  low = lo;
}
export function setSpecial(what: i32, sign: i32): void {
  kind = what;
  negative = sign;
}
/** As setNumber, for any significand: shifts it until bit 63 is set; zero keeps the sign. */
export function setNormalized(sign: i32, scale: i32, hi: u64, lo: u64): void {
  if (hi == 0) {
    hi = lo;
    lo = 0;
    scale -= 64;
    if (hi == 0) {
      setSpecial(ZERO, sign);
      return;
    }
  }
  const shift = <i32>clz(hi);
  if (shift != 0) {
    hi = (hi << shift) | (lo >> (64 - shift));
    lo <<= shift;
  }
  setNumber(sign, scale - shift, hi, lo);
}

/** Rounds high:low to `precision` bits from bit 63 down; true when that was inexact. */
function roundBits(precision: i32): bool {
  const dropped = 64 - precision;
  let kept = high;
  let rest = low;
  if (dropped != 0) {
    rest = (kept << precision) | u64(low != 0);
    kept = (kept >> dropped) << dropped;
  }
  significand = kept;
  if (rest == 0) return false;
  const half: u64 = 0x8000_0000_0000_0000;
  let up = false;
  if (rounding == NEAREST) up = rest > half || (rest == half && ((kept >> dropped) & 1) != 0);
  else if (rounding == DOWN) up = negative != 0;
  else if (rounding == UP) up = negative == 0;
  setRoundedUp(up ? 1 : 0);
  if (up) {
    kept += (<u64>1) << dropped;
    if (kept == 0) {
      kept = half;
      exponent++;
    }
    significand = kept;
  }
  return true;
}

/** Rounds the number to a format of so many bits and exponents. */
export function round(precision: i32, least: i32, greatest: i32): void {
  setRoundedUp(0);
  if (exponent < least) {
    roundTiny(precision, least);
    return;
  }
  if (roundBits(precision)) raise(PRECISION);
  if (exponent > greatest) overflow(precision, greatest);
}

function roundTiny(precision: i32, least: i32): void {
  let tiny = true;
  if (exponent == least - 1) {
    // With an unbounded exponent it might be rounded up to the least normal number.
    roundBits(precision);
    tiny = exponent != least;
    exponent = least - 1;
    setRoundedUp(0);
  }
  if (tiny && (masked & UNDERFLOW) == 0) {
    raise(UNDERFLOW);
    exponent += bias;
    // FSCALE can go so far that the bias does not bring the exponent back: zero.
    if (bias != 0 && exponent < least) {
      raise(PRECISION);
      exponent = least;
      significand = 0;
    } else if (roundBits(precision)) raise(PRECISION);
    return;
  }
  if (tiny && flushToZero != 0) {
    raise(UNDERFLOW | PRECISION);
    exponent = least;
    significand = 0;
    return;
  }
  const shift = least - exponent;
  if (shift < 64) {
    low = (high << (64 - shift)) | u64(low != 0);
    high >>= shift;
  } else {
    low = shift == 64 ? high | u64(low != 0) : 1;
    high = 0;
  }
  exponent = least;
  if (roundBits(precision)) raise(tiny ? UNDERFLOW | PRECISION : PRECISION);
}

function overflow(precision: i32, greatest: i32): void {
  raise(OVERFLOW);
  const biased = (masked & OVERFLOW) == 0;
  if (biased) {
    exponent -= bias;
    if (bias == 0 || exponent <= greatest) return;
  }
  raise(PRECISION);
  // Beyond the bias (FSCALE) too.
  const toInfinity = biased || rounding == NEAREST || (rounding == DOWN && negative != 0) || (rounding == UP && negative == 0);
  if (toInfinity) {
    significand = 0x8000_0000_0000_0000;
    exponent = greatest + 1;
    setRoundedUp(1);
  } else {
    significand = u64.MAX_VALUE << (64 - precision);
    exponent = greatest;
    setRoundedUp(0);
  }
}
