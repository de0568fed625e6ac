// Instructions one after the other from a run of bytes. What is met for the first time is decoded by iced-x86, then known by its bytes (encoding-table).
// Why a wrapper: iced's objects live in its own memory and must be freed, and an encoding that is bad, too long or cut off must be told apart.
import { Code, Decoder, DecoderError, DecoderOptions, Instruction } from 'iced-x86';
import { INSTRUCTION_BYTES_MAX } from './code-source.js';
import { DecodedInstruction } from './decoded-instruction.js';
import { type Encoding, encodingOf } from './encoding.js';
import { EncodingTable } from './encoding-table.js';

/** What `next` found. */
export const Decoded = {
  OK: 0,
  /** No such instruction: #UD. */
  INVALID: 1,
  /** More than 15 bytes: #GP(0) (SDM 3A 6.15, interrupt 13). */
  TOO_LONG: 2,
  /** The bytes end before the instruction does. */
  CUT_OFF: 3,
} as const;
export type Decoded = (typeof Decoded)[keyof typeof Decoded];

/** What a processor lacks is taken out after decoding (families/feature-gate). */
export const DECODER_OPTIONS: DecoderOptions = DecoderOptions.None;

export class InstructionDecoder {
  /** The instruction at hand: overwritten by every `next`. */
  readonly instruction: DecodedInstruction;
  code = 0;
  length = 0;

  readonly #table = new EncodingTable();
  #bits: 16 | 32 | 64 = 64;
  #bytes: Uint8Array = new Uint8Array(0);

  constructor() {
    this.instruction = new DecodedInstruction(decodeOne(64, Uint8Array.of(0x90)).encoding);
  }

  open(bits: 16 | 32 | 64, bytes: Uint8Array): void {
    this.#bits = bits;
    this.#bytes = bytes;
    this.instruction.bytes = bytes;
  }

  /** Decodes the instruction at the offset. */
  next(at: number): Decoded {
    const known = this.#table.find(this.#bits, this.#bytes, at);
    if (known === undefined) return this.#meet(at);
    if (at + known.length > this.#bytes.length) return Decoded.CUT_OFF;
    this.#take(at, known);
    return Decoded.OK;
  }

  #take(at: number, encoding: Encoding): void {
    const { instruction } = this;
    instruction.encoding = encoding;
    instruction.at = at;
    this.code = encoding.code;
    this.length = encoding.length;
  }

  #meet(at: number): Decoded {
    const bytes = this.#bytes.subarray(at, at + INSTRUCTION_BYTES_MAX);
    const { encoding, cutOff } = decodeOne(this.#bits, bytes);
    this.#take(at, encoding);
    if (encoding.code === Code.INVALID)
      return encoding.length >= INSTRUCTION_BYTES_MAX ? Decoded.TOO_LONG : cutOff ? Decoded.CUT_OFF : Decoded.INVALID;
    if (encoding.head !== 0) this.#table.add(this.#bits, bytes, encoding);
    return Decoded.OK;
  }
}

/** `cutOff`: the code is INVALID because the bytes end. */
const decodeOne = (bits: 16 | 32 | 64, bytes: Uint8Array): { readonly encoding: Encoding; readonly cutOff: boolean } => {
  const decoder = new Decoder(bits, bytes, DECODER_OPTIONS);
  const instruction = new Instruction();
  try {
    decoder.decodeOut(instruction);
    const constants = decoder.getConstantOffsets(instruction);
    try {
      return { encoding: encodingOf(instruction, constants, bits, bytes), cutOff: decoder.lastError === DecoderError.NoMoreBytes };
    } finally {
      constants.free();
    }
  } finally {
    instruction.free();
    decoder.free();
  }
};
