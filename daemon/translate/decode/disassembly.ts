// One instruction as text, for traces: iced-x86's Intel syntax.
import { Decoder, Formatter, FormatterSyntax, Instruction } from 'iced-x86';
import { DECODER_OPTIONS } from './decoder.js';

export class Disassembler {
  readonly #formatter = new Formatter(FormatterSyntax.Intel);
  readonly #instruction = new Instruction();

  constructor() {
    this.#formatter.spaceAfterOperandSeparator = true;
    this.#formatter.hexPrefix = '0x';
    this.#formatter.hexSuffix = '';
    this.#formatter.uppercaseHex = false;
    this.#formatter.ripRelativeAddresses = false;
  }

  /** The first instruction of the bytes, and how many of them it has; `(bad)` when there is none. */
  first(bits: 16 | 32 | 64, bytes: Uint8Array, rip: number): { readonly text: string; readonly length: number } {
    const decoder = new Decoder(bits, bytes, DECODER_OPTIONS);
    try {
      decoder.ip = BigInt.asUintN(64, BigInt(rip));
      decoder.decodeOut(this.#instruction);
      if (this.#instruction.isInvalid) return { text: '(bad)', length: Math.max(1, Math.min(this.#instruction.length, bytes.length)) };
      return { text: this.#formatter.format(this.#instruction), length: this.#instruction.length };
    } finally {
      decoder.free();
    }
  }
}
