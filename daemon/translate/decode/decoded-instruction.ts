// The instruction at hand: its encoding, and the values of displacement and immediates read from its bytes. Names are iced's.
import type { OpKind, Register } from 'iced-x86';
import type { Encoding } from './encoding.js';

const HIGH = 4294967296;

export class DecodedInstruction {
  encoding: Encoding;
  /** The instruction is at the offset `at` of these. */
  bytes: Uint8Array = new Uint8Array(0);
  at = 0;
  /** Set by `readDisplacement`: the displacement, extended to 64 bits as the address size demands. */
  displacementLo = 0;
  displacementHi = 0;

  constructor(encoding: Encoding) {
    this.encoding = encoding;
  }

  get mnemonic(): number {
    return this.encoding.mnemonic;
  }
  get opCount(): number {
    return this.encoding.opCount;
  }
  opKind(n: number): OpKind {
    return this.encoding.kinds[n];
  }
  opRegister(n: number): Register {
    return this.encoding.registers[n];
  }
  get op0Kind(): OpKind {
    return this.encoding.kinds[0];
  }
  get op1Kind(): OpKind {
    return this.encoding.kinds[1];
  }
  get op0Register(): Register {
    return this.encoding.registers[0];
  }
  get op1Register(): Register {
    return this.encoding.registers[1];
  }
  get memoryBase(): Register {
    return this.encoding.memoryBase;
  }
  get memoryIndex(): Register {
    return this.encoding.memoryIndex;
  }
  get memoryIndexScale(): number {
    return this.encoding.memoryIndexScale;
  }
  get memorySegment(): Register {
    return this.encoding.memorySegment;
  }
  get segmentPrefix(): Register {
    return this.encoding.segmentPrefix;
  }
  get hasRepPrefix(): boolean {
    return this.encoding.hasRepPrefix;
  }
  get hasRepnePrefix(): boolean {
    return this.encoding.hasRepnePrefix;
  }
  get isStackInstruction(): boolean {
    return this.encoding.isStackInstruction;
  }

  /**
   * Displacements of a byte are sign-extended to the address size; then a 64-bit address has the sign in its upper half, others have zeros there
   * (SDM 2A 2.1.5, 2.2.1.3).
   */
  readDisplacement(): void {
    const { displacementAt, displacementBytes, displacementScale, addressWidth } = this.encoding;
    let lo = 0;
    if (displacementBytes === 1) lo = Math.imul((this.#byte(displacementAt) << 24) >> 24, displacementScale);
    else if (displacementBytes === 2) lo = this.#word(displacementAt);
    else if (displacementBytes !== 0) lo = this.#doubleword(displacementAt);
    if (addressWidth === 1) lo &= 0xffff;
    this.displacementLo = lo;
    this.displacementHi = addressWidth !== 3 ? 0 : displacementBytes === 8 ? this.#doubleword(displacementAt + 4) : lo >> 31;
  }
  /** The same as a signed number. For operands relative to RIP: from the instruction's first byte on. */
  get memoryDisplacement(): number {
    this.readDisplacement();
    const value = this.displacementHi * HIGH + (this.displacementLo >>> 0);
    if (!this.encoding.ripRelative) return value;
    return value + this.encoding.length;
  }

  get immediate8(): number {
    const { immediateAt, impliedImmediate } = this.encoding;
    return immediateAt === 0 ? impliedImmediate : this.#byte(immediateAt);
  }
  get immediate8_2nd(): number {
    return this.#byte(this.encoding.secondImmediateAt);
  }
  get immediate16(): number {
    return this.#word(this.encoding.immediateAt);
  }
  /** Signed. */
  get immediate32(): number {
    return this.#doubleword(this.encoding.immediateAt);
  }
  /** Upper half of a 64-bit immediate, whose lower half is `immediate32`. */
  get immediate64Hi(): number {
    return this.#doubleword(this.encoding.immediateAt + 4);
  }
  get farBranch16(): number {
    return this.immediate16;
  }
  get farBranch32(): number {
    return this.immediate32 >>> 0;
  }
  get farBranchSelector(): number {
    return this.#word(this.encoding.secondImmediateAt);
  }

  #byte(offset: number): number {
    return this.bytes[this.at + offset];
  }
  #word(offset: number): number {
    const at = this.at + offset;
    return this.bytes[at] | (this.bytes[at + 1] << 8);
  }
  #doubleword(offset: number): number {
    const { bytes } = this;
    const at = this.at + offset;
    return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
  }
}
