// Instructions one after the other from a run of bytes, by iced-x86.
// Why a wrapper: iced's objects live in its own memory and must be freed, and an encoding that is bad, too long or cut off must be told apart.
import { Code, Decoder, DecoderError, DecoderOptions, Instruction } from 'iced-x86';
import { INSTRUCTION_BYTES_MAX } from './code-source.js';

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

/** Without BMI1 and ABM the F3 prefix of TZCNT and LZCNT is ignored: BSF and BSR (SDM 2A, TZCNT). */
const OPTIONS = DecoderOptions.NoMPFX_0FBC | DecoderOptions.NoMPFX_0FBD;
/** Bytes given to iced at a time: as much as nearly all blocks take. */
const WINDOW = 192;

export class InstructionDecoder {
  /** The instruction at hand: overwritten by every `next`. */
  readonly instruction: Instruction = new Instruction();
  /** Offset in the bytes that iced's IP 0 stands for. */
  origin = 0;
  code = 0;
  length = 0;

  #bits: 16 | 32 | 64 = 64;
  #bytes: Uint8Array = new Uint8Array(0);
  #decoder: Decoder | null = null;
  #end = 0;

  open(bits: 16 | 32 | 64, bytes: Uint8Array): void {
    this.close();
    this.#bits = bits;
    this.#bytes = bytes;
    this.#window(0);
  }
  close(): void {
    this.#decoder?.free();
    this.#decoder = null;
  }
  #window(at: number): void {
    this.close();
    this.origin = at;
    this.#end = Math.min(this.#bytes.length, at + WINDOW);
    this.#decoder = new Decoder(this.#bits, this.#bytes.subarray(at, this.#end), OPTIONS);
  }

  /** Decodes the instruction at the offset, which is where the one before ended. */
  next(at: number): Decoded {
    if (this.#end - at < INSTRUCTION_BYTES_MAX && this.#end < this.#bytes.length) this.#window(at);
    const decoder = this.#decoder as Decoder;
    decoder.decodeOut(this.instruction);
    this.code = this.instruction.code;
    this.length = this.instruction.length;
    if (this.code !== Code.INVALID) return Decoded.OK;
    if (this.length >= INSTRUCTION_BYTES_MAX) return Decoded.TOO_LONG;
    return decoder.lastError === DecoderError.NoMoreBytes ? Decoded.CUT_OFF : Decoded.INVALID;
  }
}
