// Instructions whose operands of up to eight bytes need not be aligned even where alignment is checked: the half-precision conversions (SDM 1 15.8, SDM 2A
// table 2-29: type 11 has no #AC). Vector operands of 16 and 32 bytes never are checked, which takes no look at the instruction.
// Why by decoding again: #AC is rare, and micro-ops need not say so.
import { Mnemonic } from 'iced-x86';
import { INSTRUCTION_BYTES_MAX } from './code-source.js';
import { Decoded, InstructionDecoder } from './decoder.js';

/** `bytes` begin with the instruction; `bits` is the mode it was fetched in. */
export const needsNoAlignment = (bytes: Uint8Array, bits: 16 | 32 | 64): boolean => {
  const decoder = new InstructionDecoder();
  decoder.open(bits, bytes.subarray(0, INSTRUCTION_BYTES_MAX));
  if (decoder.next(0) !== Decoded.OK) return false;
  const { mnemonic } = decoder.instruction;
  return mnemonic === Mnemonic.Vcvtph2ps || mnemonic === Mnemonic.Vcvtps2ph;
};
