// The instruction forms that live cases are made of: every code of iced-x86's tables that hvd translates and that a program at user level can be compared in.
// Why from the tables: what a later family adds is tested from the day it is there.
import { type Code, CodeExt, EncodingKind, MandatoryPrefix, MemorySizeExt, OpCodeOperandKind, type OpCodeTableKind } from 'iced-x86';
import { codeNumber } from '../../../daemon/translate/decode/forms.js';
import { TRANSLATED } from '../../../daemon/translate/families/family-table.js';
import { BITS, type Bits } from './layout.js';
import { ENCODED_OPERANDS } from './operand-kinds.js';

export interface Form {
  readonly name: string;
  readonly code: Code;
  /** First part of the name: Add, Movsb, Jmp. */
  readonly mnemonic: string;
  readonly vex: boolean;
  readonly w: number;
  readonly l: number;
  /** 0 none, else the byte. */
  readonly mandatoryPrefix: number;
  readonly table: OpCodeTableKind;
  readonly opcode: readonly number[];
  readonly group: number;
  readonly rmGroup: number;
  readonly operandSize: number;
  readonly addressSize: number;
  readonly default64: boolean;
  readonly fwait: boolean;
  readonly canLock: boolean;
  readonly canRep: boolean;
  readonly canRepne: boolean;
  readonly operands: readonly OpCodeOperandKind[];
  readonly memoryBytes: number;
  /** Looks at x87, MMX, SSE or AVX state. */
  readonly vectors: boolean;
}

/**
 * Not comparable: answers of this very processor or of its clock (RCPPS and RSQRTPS read a table of its own, transcendental x87
 * functions differ in the last place, environments hold addresses that are not kept everywhere); system calls; what the host's kernel emulates (UMIP); what depends on
 * descriptor tables, which are not the same ones here; what hvd says it does not have (INVPCID); VMCALL and VMMCALL, which would leave the host's own virtual machine (and which it may patch).
 */
const NOT_COMPARED =
  /^(Cpuid|Rdtscp?|Rdpmc|Rdrand|Rdseed|Rdpid|Syscall|Sysenter|Sgdt|Sidt|Sldt|Str|Smsw|Lar|Lsl|Verr|Verw|Arpl|Vmm?call|Xgetbv|Xsetbv|Retf[wdq]|Iret[wdq]|L[defgs]s|Xsave\w*|Xrstor\w*|Fxsave\w*|Fxrstor\w*|Rd[fg]sbase|Wr[fg]sbase|Monitor[wdq]|Mwait|Int1|Clui|Stui|Testui|Uiret|Senduipi|Enqcmds?|Invpcid|Umwait|Umonitor\w*|Tpause|Xbegin|Xend|Xabort|Xtest|V?[Rr](?:cp|sqrt)[ps]s|Fn?stenv|Fn?save|F2xm1|Fyl2x|Fyl2xp1|Fpatan|Fptan|Fsin|Fcos|Fsincos)(_|$)/;
const NOT_COMPARED_FORMS = /^((Call|Jmp)_(ptr|m)16|Mov_Sreg|Pop[wdq]_[DEFGS]S$|Bswap_r16)/;

const PREFIX: Readonly<Record<number, number>> = {
  [MandatoryPrefix.P66]: 0x66,
  [MandatoryPrefix.PF3]: 0xf3,
  [MandatoryPrefix.PF2]: 0xf2,
};
const VECTOR_OPERAND = /^(st0|sti|mm|xmm|ymm)/;
/** Without a vector operand, but of the x87 unit or MXCSR. */
const VECTOR_MNEMONIC = /^(F(?!ar)[a-z0-9]+|Emms|(Ld|St|Vld|Vst)mxcsr|Vzero\w+|Wait)$/;

const formOf = (name: string): Form => {
  const code = codeNumber(name);
  const o = CodeExt.opCode(code);
  const operands = Array.from({ length: o.opCount }, (_, i) => o.opKind(i));
  const mnemonic = name.replace(/^VEX_/, '').split('_')[0];
  const form: Form = {
    name,
    code,
    mnemonic,
    vex: o.encoding === EncodingKind.VEX,
    w: o.isWIG ? -1 : o.W,
    l: o.isLIG ? -1 : o.L,
    mandatoryPrefix: PREFIX[o.mandatoryPrefix] ?? 0,
    table: o.table,
    opcode: o.opCodeLength === 2 ? [o.opCode >> 8, o.opCode & 0xff] : [o.opCode],
    group: o.groupIndex,
    rmGroup: o.rmGroupIndex,
    operandSize: o.operandSize,
    addressSize: o.addressSize,
    default64: o.defaultOpSize64 || o.forceOpSize64 || o.intelForceOpSize64,
    fwait: o.fwait,
    canLock: o.canUseLockPrefix,
    canRep: o.canUseRepPrefix,
    canRepne: o.canUseRepnePrefix,
    operands,
    memoryBytes: Math.max(1, MemorySizeExt.size(o.memorySize)),
    vectors: operands.some((k) => VECTOR_OPERAND.test(OpCodeOperandKind[k])) || VECTOR_MNEMONIC.test(mnemonic),
  };
  o.free();
  return form;
};

const comparable = (name: string): boolean => {
  const mnemonic = name.replace(/^VEX_/, '');
  return !NOT_COMPARED.test(mnemonic) && !NOT_COMPARED_FORMS.test(name);
};
/** EVEX, XOP, 3DNow! and the like are not encoded here. */
const encodable = (name: string): boolean => {
  const o = CodeExt.opCode(codeNumber(name));
  const yes = o.encoding === EncodingKind.Legacy || o.encoding === EncodingKind.VEX;
  o.free();
  return yes;
};
const inMode = (code: Code, bits: Bits): boolean => {
  const o = CodeExt.opCode(code);
  // A near branch of 16 bits does not exist in Intel's 64-bit mode (SDM 2A, JMP); AMD has one.
  const yes = bits === 64 ? o.intelDecoder64 : bits === 32 ? o.intelDecoder32 : o.intelDecoder16;
  o.free();
  return yes && o !== undefined;
};

const FORMS: readonly Form[] = TRANSLATED.filter((name) => comparable(name) && encodable(name))
  .map(formOf)
  .filter((f) => f.operands.every((kind) => ENCODED_OPERANDS.has(kind)));
const BY_MODE = new Map<Bits, readonly Form[]>(BITS.map((bits) => [bits, FORMS.filter((f) => inMode(f.code, bits))]));

/** All forms of a mode, those of x87 and SIMD included. */
export const formsOf = (bits: Bits): readonly Form[] => BY_MODE.get(bits) as readonly Form[];

const ANY = new Map<Bits, readonly Form[]>();
/** Forms of a mode whatever they do, privileged ones included: for guests that are hostile. */
export const anyForms = (bits: Bits): readonly Form[] => {
  let forms = ANY.get(bits);
  if (forms === undefined) {
    forms = TRANSLATED.filter(encodable)
      .map(formOf)
      .filter((f) => f.operands.every((kind) => ENCODED_OPERANDS.has(kind)) && inMode(f.code, bits));
    ANY.set(bits, forms);
  }
  return forms;
};
