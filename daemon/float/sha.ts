// The steps of SHA-1 and SHA-256 as the SHA extensions have them (FIPS 180-4 6.1, 6.2; SDM 2B SHA1MSG1 to SHA256RNDS2). Words are numbered from the low end of a vector.

function word(x: v128, n: i32): u32 {
  return n == 0
    ? i32x4.extract_lane(x, 0)
    : n == 1
      ? i32x4.extract_lane(x, 1)
      : n == 2
        ? i32x4.extract_lane(x, 2)
        : i32x4.extract_lane(x, 3);
}
/** A vector of words, low end first. */
function words(w0: u32, w1: u32, w2: u32, w3: u32): v128 {
  return i32x4.replace_lane(i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(w0), 1, w1), 2, w2), 3, w3);
}

/** Four rounds of SHA-1: a, b, c, d in `state` from the high end, the words (the first with e added) in `schedule`; `phase` is 0 to 3. */
export function sha1Rounds(state: v128, schedule: v128, phase: i32): v128 {
  let a = word(state, 3);
  let b = word(state, 2);
  let c = word(state, 1);
  let d = word(state, 0);
  let e: u32 = 0;
  const constant: u32 = phase == 0 ? 0x5a82_7999 : phase == 1 ? 0x6ed9_eba1 : phase == 2 ? 0x8f1b_bcdc : 0xca62_c1d6;
  for (let round = 0; round < 4; round++) {
    const chosen = phase == 0 ? (b & c) ^ (~b & d) : phase == 2 ? (b & c) ^ (b & d) ^ (c & d) : b ^ c ^ d;
    const next = chosen + rotl<u32>(a, 5) + word(schedule, 3 - round) + e + constant;
    e = d;
    d = c;
    c = rotl<u32>(b, 30);
    b = a;
    a = next;
  }
  return words(d, c, b, a);
}
/** The next e, from what was a four rounds ago, added to the first word. */
export function sha1NextE(state: v128, schedule: v128): v128 {
  return i32x4.replace_lane(schedule, 3, word(schedule, 3) + rotl<u32>(word(state, 3), 30));
}
export function sha1Message1(a: v128, b: v128): v128 {
  return words(word(b, 2) ^ word(a, 0), word(b, 3) ^ word(a, 1), word(a, 0) ^ word(a, 2), word(a, 1) ^ word(a, 3));
}
export function sha1Message2(a: v128, b: v128): v128 {
  const w16 = rotl<u32>(word(a, 3) ^ word(b, 2), 1);
  const w17 = rotl<u32>(word(a, 2) ^ word(b, 1), 1);
  const w18 = rotl<u32>(word(a, 1) ^ word(b, 0), 1);
  return words(rotl<u32>(word(a, 0) ^ w16, 1), w18, w17, w16);
}

/** Two rounds of SHA-256: c, d, g, h in `old`, a, b, e, f in `state`, from the high end; words with their constants added are in `schedule`. */
export function sha256Rounds(old: v128, state: v128, schedule: u64): v128 {
  let a = word(state, 3);
  let b = word(state, 2);
  let c = word(old, 3);
  let d = word(old, 2);
  let e = word(state, 1);
  let f = word(state, 0);
  let g = word(old, 1);
  let h = word(old, 0);
  for (let round = 0; round < 2; round++) {
    const added = <u32>(schedule >> (32 * round));
    const first = ((e & f) ^ (~e & g)) + (rotr<u32>(e, 6) ^ rotr<u32>(e, 11) ^ rotr<u32>(e, 25)) + added + h;
    const second = ((a & b) ^ (a & c) ^ (b & c)) + (rotr<u32>(a, 2) ^ rotr<u32>(a, 13) ^ rotr<u32>(a, 22));
    h = g;
    g = f;
    f = e;
    e = d + first;
    d = c;
    c = b;
    b = a;
    a = first + second;
  }
  return words(f, e, b, a);
}
function small0(w: u32): u32 {
  return rotr<u32>(w, 7) ^ rotr<u32>(w, 18) ^ (w >> 3);
}
function small1(w: u32): u32 {
  return rotr<u32>(w, 17) ^ rotr<u32>(w, 19) ^ (w >> 10);
}
export function sha256Message1(a: v128, b: v128): v128 {
  return words(
    word(a, 0) + small0(word(a, 1)),
    word(a, 1) + small0(word(a, 2)),
    word(a, 2) + small0(word(a, 3)),
    word(a, 3) + small0(word(b, 0)),
  );
}
export function sha256Message2(a: v128, b: v128): v128 {
  const w16 = word(a, 0) + small1(word(b, 2));
  const w17 = word(a, 1) + small1(word(b, 3));
  return words(w16, w17, word(a, 2) + small1(w16), word(a, 3) + small1(w17));
}
