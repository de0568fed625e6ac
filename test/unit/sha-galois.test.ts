// The SHA extensions and GFNI by what they are for: digests of FIPS 180-4 as Node computes them, and the S-box of FIPS 197 as an affine map of inverses.
// Their operands one by one are compared with the host's processor by test/vectors.
import { createHash } from 'node:crypto';
import test from 'ava';
import { floatFunctions } from '../../daemon/machine/float-module.js';
import { VectorInteger as V } from '../../shared/layout/vector-integer.js';
import { VectorSlot, VpLayout } from '../../shared/layout/vp.js';

const memory = new WebAssembly.Memory({ initial: 4, maximum: 65536, shared: true });
const { vectorInteger } = floatFunctions(memory) as Record<string, (vp: number, a: bigint, b: bigint) => bigint>;
const VP = 0x1000;
type Words = readonly number[];

/** d = operation(a, b), vectors as words from the low end. */
const run = (operation: number, a: Words, b: Words, argument = 0, second = 0n): number[] => {
  const u32 = new Uint32Array(memory.buffer);
  const at = (slot: number): number => (VP + VpLayout.at.vectors + slot * 16) >>> 2;
  u32.set(a, at(VectorSlot.SCRATCH));
  u32.set(b, at(VectorSlot.SCRATCH + 1));
  vectorInteger(VP, BigInt(operation | (argument << 8)), second);
  return Array.from(u32.slice(at(VectorSlot.RESULT), at(VectorSlot.RESULT) + 4));
};
const plus = (a: Words, b: Words): number[] => a.map((word, i) => (word + b[i]) >>> 0);

/** One block: the message, a one, zeros, its length in bits. */
const padded = (message: string): number[] => {
  const block = Buffer.alloc(64);
  block.write(message);
  block[message.length] = 0x80;
  block.writeUInt32BE(message.length * 8, 60);
  return Array.from({ length: 16 }, (_, i) => block.readUInt32BE(i * 4));
};
const hex = (words: Words): string => words.map((w) => w.toString(16).padStart(8, '0')).join('');

/** Fractional parts of roots of the first primes (FIPS 180-4 4.2.2, 5.3.3), exactly. */
const primes = (count: number): bigint[] => {
  const found: bigint[] = [];
  for (let n = 2n; found.length < count; n++) if (found.every((p) => n % p !== 0n)) found.push(n);
  return found;
};
const rootFraction = (prime: bigint, degree: bigint): number => {
  let low = 0n;
  for (let bit = 1n << 40n; bit > 0n; bit >>= 1n) if ((low + bit) ** degree <= prime << (32n * degree)) low += bit;
  return Number(low & 0xffff_ffffn);
};

test('SHA-256 of a block by its instructions', (t) => {
  const k = primes(64).map((p) => rootFraction(p, 3n));
  const initial = primes(8).map((p) => rootFraction(p, 2n));
  const [a, b, c, d, e, f, g, h] = initial;
  let abef: Words = [f, e, b, a];
  let cdgh: Words = [h, g, d, c];
  const message = padded('abc');
  const w = [0, 1, 2, 3].map((i) => message.slice(i * 4, i * 4 + 4));
  for (let n = 0; n < 16; n++) {
    if (n >= 4) {
      const [w0, w1, w2, w3] = w.slice(n - 4);
      const middle = [w2[1], w2[2], w2[3], w3[0]];
      w.push(run(V.SHA256_MESSAGE2, plus(run(V.SHA256_MESSAGE1, w0, w1), middle), w3));
    }
    const added = plus(w[n], k.slice(n * 4, n * 4 + 4));
    for (const pair of [added.slice(0, 2), added.slice(2)]) {
      const next = run(V.SHA256_ROUNDS, cdgh, abef, 0, BigInt(pair[0]) | (BigInt(pair[1]) << 32n));
      cdgh = abef;
      abef = next;
    }
  }
  const end = plus([abef[3], abef[2], cdgh[3], cdgh[2], abef[1], abef[0], cdgh[1], cdgh[0]], initial);
  t.is(hex(end), createHash('sha256').update('abc').digest('hex'));
});

test('SHA-1 of a block by its instructions', (t) => {
  const initial = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];
  let state: Words = initial.slice(0, 4).reverse();
  const message = padded('abc');
  // From the high end of each vector.
  const w = [0, 1, 2, 3].map((i) => message.slice(i * 4, i * 4 + 4).reverse());
  let before: Words = [0, 0, 0, (initial[4] << 2) | (initial[4] >>> 30)];
  for (let n = 0; n < 20; n++) {
    if (n >= 4) {
      const [w0, w1, w2, w3] = w.slice(n - 4);
      const mixed = run(V.SHA1_MESSAGE1, w0, w1).map((word, i) => (word ^ w2[i]) >>> 0);
      w.push(run(V.SHA1_MESSAGE2, mixed, w3));
    }
    const added = run(V.SHA1_NEXT, before, w[n]);
    before = state;
    state = run(V.SHA1_ROUNDS, state, added, Math.floor(n / 5));
  }
  const [e] = run(V.SHA1_NEXT, before, [0, 0, 0, initial[4]]).slice(3);
  const [d, c, b, a] = state;
  t.is(hex([...plus([a, b, c, d], initial.slice(0, 4)), e]), createHash('sha1').update('abc').digest('hex'));
});

const byteProduct = (a: number, b: number): number => {
  let product = 0;
  for (let x = a, y = b; y !== 0; y >>= 1, x = x & 0x80 ? (x << 1) ^ 0x11b : x << 1) if (y & 1) product ^= x;
  return product;
};
const asWords = (bytes: readonly number[]): number[] => Array.from(new Uint32Array(Uint8Array.from(bytes).buffer));
const asBytes = (words: Words): number[] => Array.from(new Uint8Array(Uint32Array.from(words).buffer));

test('products and inverses in GF(2^8), and the S-box of AES', (t) => {
  // Rows of the affine map of FIPS 197 5.1.1, the last one lowest.
  const matrix = [0x1f3e7cf8, 0xf1e3c78f];
  for (let first = 0; first < 256; first += 16) {
    const bytes = Array.from({ length: 16 }, (_, i) => first + i);
    const factors = bytes.map((x) => (x * 37 + 11) & 0xff);
    t.deepEqual(
      asBytes(run(V.GALOIS_PRODUCT, asWords(bytes), asWords(factors))),
      bytes.map((x, i) => byteProduct(x, factors[i])),
    );
    const boxed = asBytes(run(V.GALOIS_INVERSE_MAP, asWords(bytes), [...matrix, ...matrix], 0x63));
    for (const [i, x] of bytes.entries()) {
      const inverse = Array.from({ length: 256 }, (_, y) => y).find((y) => byteProduct(x, y) === 1) ?? 0;
      let expected = 0x63;
      for (let turn = 0; turn < 5; turn++) expected ^= ((inverse << turn) | (inverse >> (8 - turn))) & 0xff;
      t.is(boxed[i], expected, `S-box of ${x}`);
    }
    const identity = [0x10204080, 0x01020408];
    t.deepEqual(
      asBytes(run(V.GALOIS_MAP, asWords(bytes), [...identity, ...identity])).map((b) => b ^ 0),
      bytes,
    );
  }
});
