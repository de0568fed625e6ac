// The instruction at hand as the families see it: operands to read and write, and the builder to say it to.
// Partial registers, immediates and memory operands are settled here, once.
import { OpKind, type Register } from 'iced-x86';
import type { FeatureSet } from '../../../shared/cpu/feature-set.js';
import { Slot } from '../../../shared/layout/vp.js';
import type { BlockBuilder } from '../block-builder.js';
import { Origin } from '../constants.js';
import { InstructionDecoder } from '../decode/decoder.js';
import { REGISTER_IS_HIGH, REGISTER_SLOT, REGISTER_WIDTH } from '../decode/registers.js';
import type { Width } from '../micro-op.js';
import type { Operand } from '../operand.js';
import { linearAddress } from './effective-address.js';

/** Translates one instruction. */
export type Family = (x: InstructionContext) => void;
/** Families by iced code name, or by its part before the first underscore. */
export type Families = Readonly<Record<string, Family>>;

export class InstructionContext {
  readonly builder: BlockBuilder;
  readonly decoder: InstructionDecoder = new InstructionDecoder();
  code = 0;
  /** Widths of the first and second operand. */
  width: Width = 0;
  secondWidth: Width = 0;
  /** LOCK prefix, to be honoured by an atomic micro-op (not when the bus is locked already). */
  atomic = false;
  /** A segment prefix is there. */
  segmentOverride = false;
  addressWidth: Width = 3;
  /** The bytes of the block with the offset of this instruction's end. */
  bytes: Uint8Array = new Uint8Array(0);
  end = 0;
  /** Stands for RSP in memory operands (POP to memory uses the incremented one). */
  stackPointer: Operand = Slot.RSP;
  #families: readonly Family[] = [];
  #features: FeatureSet | undefined;

  constructor(builder: BlockBuilder) {
    this.builder = builder;
  }

  /** Families by code number, for the processor that the builder's mode names. */
  familiesOf(select: (features: FeatureSet) => readonly Family[]): readonly Family[] {
    const { features } = this.builder.mode;
    if (features !== this.#features) {
      this.#families = select(features);
      this.#features = features;
    }
    return this.#families;
  }

  /** Takes the decoded instruction at the offset over. */
  begin(at: number): void {
    const { encoding } = this.decoder.instruction;
    this.code = encoding.code;
    this.width = encoding.width;
    this.secondWidth = encoding.secondWidth;
    this.end = at + encoding.length;
    this.atomic = encoding.locked && !this.builder.mode.plainLocks;
    this.segmentOverride = encoding.segmentOverride;
    this.addressWidth = encoding.addressWidth;
    this.stackPointer = Slot.RSP;
  }

  // --- operands ------------------------------------------------------------------------------------------------------------------------

  kind(n: number): OpKind {
    return this.decoder.instruction.encoding.kinds[n];
  }
  register(n: number): Register {
    return this.decoder.instruction.encoding.registers[n];
  }
  isMemory(n: number): boolean {
    return this.kind(n) === OpKind.Memory;
  }

  /** Value of a register operand or memory operand or immediate; only its low bits count. */
  read(n: number, width: Width): Operand {
    const kind = this.kind(n);
    if (kind === OpKind.Register) return this.readRegister(this.register(n));
    if (kind === OpKind.Memory) return this.builder.load(width, this.address(1 << width, false));
    return this.immediate(kind);
  }
  readRegister(register: Register): Operand {
    const slot = REGISTER_SLOT[register];
    return REGISTER_IS_HIGH[register] === 1 ? this.builder.value('ext8h', slot) : slot;
  }
  immediate(kind: OpKind): Operand {
    const { builder } = this;
    const i = this.decoder.instruction;
    switch (kind) {
      case OpKind.Immediate8:
        return builder.constant(i.immediate8);
      case OpKind.Immediate8_2nd:
        return builder.constant(i.immediate8_2nd);
      case OpKind.Immediate8to16:
      case OpKind.Immediate8to32:
      case OpKind.Immediate8to64:
        return builder.constant((i.immediate8 << 24) >> 24);
      case OpKind.Immediate16:
        return builder.constant(i.immediate16);
      case OpKind.Immediate32:
        return builder.constant64(i.immediate32, 0, this.#immediateOrigin(false));
      case OpKind.Immediate32to64:
        return builder.constant64(i.immediate32, i.immediate32 >> 31, this.#immediateOrigin(true));
      default:
        return builder.constant64(i.immediate32, i.immediate64Hi);
    }
  }

  #immediateOrigin(signed: boolean): number {
    const i = this.decoder.instruction;
    const { immediateAt } = i.encoding;
    return immediateAt === 0 ? Origin.FIXED : this.builder.constants.originOf(i.immediate32, i.at + immediateAt, signed);
  }

  /** Where a result for the register may be computed in place: its slot for 32 and 64 bits (32-bit micro-ops zero-extend), a temporary otherwise. */
  target(register: Register): number {
    return REGISTER_WIDTH[register] >= 2 ? REGISTER_SLOT[register] : this.builder.temp();
  }
  /** Register := low bits of the value, by the rules of partial registers (SDM 1 3.4.1.1). Nothing to do when the value was computed in place. */
  writeRegister(register: Register, value: Operand): void {
    const slot = REGISTER_SLOT[register];
    const { builder } = this;
    switch (REGISTER_WIDTH[register]) {
      case 3:
        builder.move(slot, value);
        return;
      case 2:
        this.writeZeroExtended(slot, value);
        return;
      case 1:
        builder.value('ins16', slot, value, slot);
        return;
      default:
        builder.value(REGISTER_IS_HIGH[register] === 1 ? 'ins8h' : 'ins8', slot, value, slot);
    }
  }
  /** Slot := low 32 bits of the value. */
  writeZeroExtended(slot: number, value: Operand): void {
    const { builder } = this;
    if (builder.isZeroExtended(2, value)) builder.move(slot, value);
    else if (value < 0) builder.move(slot, builder.zeroExtended(2, value));
    else builder.value('zx32', value, 0, slot);
  }
  /** A general register of the width, by slot number, as destination of implicit operands. */
  writeSlot(slot: number, width: Width, value: Operand): void {
    const { builder } = this;
    if (width === 3) builder.move(slot, value);
    else if (width === 2) this.writeZeroExtended(slot, value);
    else builder.value(width === 1 ? 'ins16' : 'ins8', slot, value, slot);
  }

  /** Linear address of the memory operand, its segment checked for an access of so many bytes. A slot. */
  address(bytes: number, write: boolean): number {
    return this.builder.slot(linearAddress(this, bytes, write));
  }

  /** Signed number in the last bytes of the instruction (relative branch displacements). */
  trailing(bytes: number): number {
    const { bytes: code, end } = this;
    if (bytes === 1) return (code[end - 1] << 24) >> 24;
    if (bytes === 2) return ((code[end - 1] << 24) | (code[end - 2] << 16)) >> 16;
    return (code[end - 1] << 24) | (code[end - 2] << 16) | (code[end - 3] << 8) | code[end - 4];
  }
}
