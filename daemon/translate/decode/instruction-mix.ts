// What the instructions of a run of code are: mnemonic and class of each, for those who count them.
// Why exclusive classes: they add up to the number of instructions. The first that fits counts, in the order of INSTRUCTION_CLASSES.
import { Code, CpuidFeature, Decoder, FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind } from 'iced-x86';
import { DECODER_OPTIONS } from './decoder.js';

/**
 * locked: LOCK prefix, and XCHG with memory. string: MOVS, STOS, LODS, CMPS, SCAS, INS, OUTS. system: privileged, I/O, interrupts and system calls, descriptor tables and
 * segment registers, CPUID, time stamps, PAUSE. branch: jumps, calls, returns. avx, sse, mmx, x87: by the CPUID feature that has them.
 * store: writes memory (read-modify-write too, and PUSH). load: only reads it. integer: all else.
 */
export const INSTRUCTION_CLASSES = [
  'locked',
  'string',
  'system',
  'branch',
  'avx',
  'sse',
  'mmx',
  'x87',
  'store',
  'load',
  'integer',
] as const;
export type InstructionClass = (typeof INSTRUCTION_CLASSES)[number];

export interface CountedInstruction {
  /** From the first byte of the code. */
  readonly offset: number;
  readonly mnemonic: string;
  readonly class: InstructionClass;
}

/** Not privileged, and yet the system's. */
const SYSTEM = new Set<number>([
  ...[Mnemonic.In, Mnemonic.Out, Mnemonic.Cli, Mnemonic.Sti, Mnemonic.Pushf, Mnemonic.Pushfd, Mnemonic.Pushfq],
  ...[Mnemonic.Popf, Mnemonic.Popfd, Mnemonic.Popfq, Mnemonic.Int, Mnemonic.Int1, Mnemonic.Int3, Mnemonic.Into],
  ...[Mnemonic.Iret, Mnemonic.Iretd, Mnemonic.Iretq, Mnemonic.Syscall, Mnemonic.Sysenter, Mnemonic.Cpuid, Mnemonic.Pause],
  ...[Mnemonic.Rdtsc, Mnemonic.Rdtscp, Mnemonic.Rdpmc, Mnemonic.Xgetbv, Mnemonic.Vmcall, Mnemonic.Vmmcall, Mnemonic.Ud2],
  ...[Mnemonic.Sgdt, Mnemonic.Sidt, Mnemonic.Sldt, Mnemonic.Str, Mnemonic.Smsw, Mnemonic.Lar, Mnemonic.Lsl, Mnemonic.Verr, Mnemonic.Verw],
  ...[Mnemonic.Lds, Mnemonic.Les, Mnemonic.Lfs, Mnemonic.Lgs, Mnemonic.Lss],
]);
const SEGMENT_MOVES = new Set<number>([Code.Mov_Sreg_rm16, Code.Mov_Sreg_r32m16, Code.Mov_Sreg_r64m16]);
const READS = new Set<number>([OpAccess.Read, OpAccess.CondRead]);
const WRITES = new Set<number>([OpAccess.Write, OpAccess.CondWrite, OpAccess.ReadWrite, OpAccess.ReadCondWrite]);

export class InstructionMix {
  readonly #instruction = new Instruction();
  readonly #factory = new InstructionInfoFactory();
  /** By code, twice: with and without a memory operand. */
  readonly #classes = new Map<number, InstructionClass>();

  /** The instructions in the bytes; the last may be one that does not exist. */
  of(bits: 16 | 32 | 64, bytes: Uint8Array): CountedInstruction[] {
    const decoder = new Decoder(bits, bytes, DECODER_OPTIONS);
    const instruction = this.#instruction;
    const mix: CountedInstruction[] = [];
    for (let offset = 0; offset < bytes.length; offset += instruction.length) {
      decoder.decodeOut(instruction);
      if (instruction.isInvalid) {
        mix.push({ offset, mnemonic: '(bad)', class: 'system' });
        break;
      }
      mix.push({ offset, mnemonic: Mnemonic[instruction.mnemonic].toLowerCase(), class: this.#classOf(instruction) });
    }
    decoder.free();
    return mix;
  }

  #classOf(instruction: Instruction): InstructionClass {
    if (instruction.hasLockPrefix) return 'locked';
    let memory = 0;
    for (let i = 0; i < instruction.opCount; i++) if (instruction.opKind(i) === OpKind.Memory) memory = 1;
    const key = instruction.code * 2 + memory;
    let found = this.#classes.get(key);
    if (found === undefined) {
      found = this.#classify(instruction, memory === 1);
      this.#classes.set(key, found);
    }
    return found;
  }

  #classify(instruction: Instruction, memory: boolean): InstructionClass {
    const { mnemonic, flowControl } = instruction;
    if (mnemonic === Mnemonic.Xchg && memory) return 'locked';
    if (instruction.isStringInstruction) return 'string';
    if (SYSTEM.has(mnemonic) || SEGMENT_MOVES.has(instruction.code) || instruction.isPrivileged || flowControl === FlowControl.Interrupt)
      return 'system';
    if (mnemonic === Mnemonic.Wait) return 'x87';
    if (flowControl !== FlowControl.Next && flowControl !== FlowControl.Exception) return 'branch';
    for (const feature of instruction.cpuidFeatures()) {
      const name = CpuidFeature[feature];
      if (/^(AVX|FMA|F16C|VAES|VPCLMULQDQ|GFNI)/.test(name)) return 'avx';
      if (/^(SSE|AES|PCLMULQDQ|SHA|FXSR)/.test(name)) return 'sse';
      if (name === 'MMX' || name.startsWith('D3NOW')) return 'mmx';
      if (name.startsWith('FPU')) return 'x87';
    }
    return this.#access(instruction);
  }

  #access(instruction: Instruction): InstructionClass {
    const info = this.#factory.info(instruction);
    let found: InstructionClass = 'integer';
    for (const used of info.usedMemory()) {
      if (WRITES.has(used.access)) found = 'store';
      else if (found === 'integer' && READS.has(used.access)) found = 'load';
      used.free();
    }
    info.free();
    return found;
  }
}
