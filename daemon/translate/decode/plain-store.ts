// Whether an instruction does nothing but one store, and how long it is: once that store is done, so is the instruction.
// Why by decoding again: only stores to devices that want attention at once ask, and micro-ops need not say so.
import { Mnemonic, OpKind } from 'iced-x86';
import { INSTRUCTION_BYTES_MAX } from './code-source.js';
import { Decoded, InstructionDecoder } from './decoder.js';

export class PlainStores {
  readonly #decoder = new InstructionDecoder();

  /** Length of the MOV to memory that `bytes` begin with, or 0: it is another instruction. `bits` is the mode it was fetched in. */
  lengthOf(bytes: Uint8Array, bits: 16 | 32 | 64): number {
    const decoder = this.#decoder;
    decoder.open(bits, bytes.subarray(0, INSTRUCTION_BYTES_MAX));
    if (decoder.next(0) !== Decoded.OK) return 0;
    const { instruction } = decoder;
    return instruction.mnemonic === Mnemonic.Mov && instruction.op0Kind === OpKind.Memory ? decoder.length : 0;
  }
}
