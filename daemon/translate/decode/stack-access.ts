// Whether a non-canonical access went through SS: then it is #SS(0), otherwise #GP(0) (SDM 3A 6.15, interrupts 12 and 13).
// Why by decoding again: the addresses of 64-bit code carry no segment, and only this one fault asks.
import { OpKind, Register } from 'iced-x86';
import { INSTRUCTION_BYTES_MAX } from './code-source.js';
import { Decoded, InstructionDecoder } from './decoder.js';

/** A push or pop reaches 8 bytes from RSP; non-canonical addresses have been through a double, which rounds them by up to half of this. */
const STACK_REACH = 2048n;

/** For 64-bit code: `bytes` begin with the instruction that faulted at `address`; RSP as it was before. */
export const isStackAccess = (bytes: Uint8Array, address: bigint, rsp: bigint): boolean => {
  const decoder = new InstructionDecoder();
  const { instruction } = decoder;
  decoder.open(64, bytes.subarray(0, INSTRUCTION_BYTES_MAX));
  if (decoder.next(0) !== Decoded.OK) return false;
  // A push or pop has its own access besides the operand's: told apart by the address.
  const distance = BigInt.asIntN(64, address - rsp);
  if (instruction.isStackInstruction && distance <= STACK_REACH && distance >= -STACK_REACH) return true;
  const { opCount } = instruction;
  let inMemory = false;
  for (let n = 0; n < opCount; n++) inMemory ||= instruction.opKind(n) === OpKind.Memory;
  if (!inMemory) return instruction.isStackInstruction;
  const base = instruction.memoryBase;
  const onStack = base === Register.RSP || base === Register.RBP || base === Register.ESP || base === Register.EBP;
  const override = instruction.segmentPrefix;
  return onStack && override !== Register.FS && override !== Register.GS;
};
