// Vector instructions that neither WebAssembly's vectors nor a few micro-ops give: what translated code asks daemon/float for by the function `vectorInteger`.
// Its first argument is operation | argument << 8, its second depends on the operation. Operands are in the vector slots SCRATCH and SCRATCH + 1.

export const VectorInteger = {
  AES_ENCRYPT: 0,
  AES_ENCRYPT_LAST: 1,
  AES_DECRYPT: 2,
  AES_DECRYPT_LAST: 3,
  AES_INVERSE_MIX: 4,
  AES_KEY: 5,
  /** Argument: halves, as PCLMULQDQ's immediate. */
  CARRYLESS: 6,
  SUMS_OF_DIFFERENCES: 7,
  LEAST_WORD: 8,
  /** PCMPxSTRx. Argument = immediate; second argument = lengths, 5 bits each from bit 0 and bit 8, or IMPLICIT. General result: flags | index << 16. */
  STRINGS: 9,
  /** RCPPS, RSQRTPS; argument 1 for the scalar forms. */
  RECIPROCAL: 10,
  RECIPROCAL_ROOT: 11,
  /** Lanes of the first operand shifted by those of the second, as far as there are bits. */
  SHIFT_LEFT_32: 12,
  SHIFT_LEFT_64: 13,
  SHIFT_RIGHT_32: 14,
  SHIFT_RIGHT_64: 15,
  SHIFT_SIGNED_32: 16,
  /** Argument = immediate: which twenty of the eighty rounds. */
  SHA1_ROUNDS: 17,
  SHA1_NEXT: 18,
  SHA1_MESSAGE1: 19,
  SHA1_MESSAGE2: 20,
  /** Second argument = the two words of XMM0. */
  SHA256_ROUNDS: 21,
  SHA256_MESSAGE1: 22,
  SHA256_MESSAGE2: 23,
  /** In GF(2^8). Argument of the maps = immediate. */
  GALOIS_PRODUCT: 24,
  GALOIS_MAP: 25,
  GALOIS_INVERSE_MAP: 26,
} as const;
export const IMPLICIT_LENGTHS = 0x1_0000;
