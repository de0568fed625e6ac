// Virtual interrupts of virtual-8086 mode and of level 3: every combination of what an instruction hangs on, against a model written from the manual's tables
// (SDM 3B tables 20-1 and 20-2, 20.4; SDM 2B POPF, table 4-17).
import test from 'ava';
import { rflags, setRflags } from '../../daemon/machine/cpu/flags.js';
import { SysOp } from '../../daemon/translate/micro-op.js';
import { Cr4, Rflags } from '../../shared/abi/registers.js';
import { Slot } from '../../shared/layout/vp.js';
import { gate, idtGate, protectedMode, put, Sel, type TestProcessor, TSS } from './cpu-processor.js';

const { IF, VIF, VIP, TF, VM, IOPL } = Rflags;
const GP = '#13(0)';
const INT = 0x21;
const SP = 0x200;
/** Linear address of the stack's top in the virtual-8086 task, whose SS is 300h, and of its vector's entry. */
const STACK = 0x3000 + SP;
const HANDLER = 0x0400_0123;

interface State {
  readonly iopl: 0 | 1 | 2 | 3;
  readonly extended: boolean;
  readonly if: boolean;
  readonly vif: boolean;
  readonly vip: boolean;
  readonly width: 1 | 2;
  /** What POPF and IRET find. */
  readonly imageIf: boolean;
  readonly imageTf: boolean;
  /** The task keeps the vector for the monitor. */
  readonly kept: boolean;
}
const BOTH = [false, true] as const;
const STATES: State[] = [];
for (const iopl of [0, 1, 2, 3] as const)
  for (const width of [1, 2] as const)
    for (const extended of BOTH)
      for (const own of BOTH)
        for (const vif of BOTH)
          for (const vip of BOTH)
            for (const imageIf of BOTH)
              for (const imageTf of BOTH)
                for (const kept of BOTH) STATES.push({ iopl, extended, if: own, vif, vip, width, imageIf, imageTf, kept });

const flagsOf = ({ iopl, if: own, vif, vip }: State): number => 2 | (iopl << 12) | (own ? IF : 0) | (vif ? VIF : 0) | (vip ? VIP : 0);
const imageOf = ({ imageIf, imageTf }: State): number => 0x3002 | 0x41 | (imageIf ? IF : 0) | (imageTf ? TF : 0);
/** What an instruction leaves: #GP(0), or RFLAGS with what it has pushed, and whose handler was entered. */
type Outcome = string;
const left = (flags: number, ...rest: unknown[]): Outcome => [flags.toString(16), ...rest].join(' ');

/** Virtual-8086 mode at 100h:40h, with a task state segment whose redirection bitmap is all but one bit 0. */
const vm86 = (state: State): TestProcessor => {
  const p = protectedMode();
  put(p, 0x6000, [0x40, 0x100, 0x2_3202, SP, 0x300, 0x310, 0x320, 0x330, 0x340]);
  p.run(SysOp.IRET);
  p.vp.trLimit = 0x20ff;
  p.memory.write16(TSS + 102, 0x88);
  for (let n = 0; n < 32; n++) p.memory.write8(TSS + 0x68 + n, 0);
  if (state.kept) p.memory.write8(TSS + 0x68 + (INT >>> 3), 1 << (INT & 7));
  p.memory.write32(INT * 4, HANDLER);
  idtGate(p, INT, gate(Sel.CODE0, 0x9000, 0xee));
  p.vp.cr4 |= state.extended ? Cr4.VME : 0;
  setRflags(p.vp, VM | flagsOf(state));
  p.set(Slot.ARG0, INT);
  return p;
};

const MODEL: Readonly<Record<string, (s: State) => Outcome>> = {
  CLI: (s) => (s.iopl === 3 ? left(VM | (flagsOf(s) & ~IF)) : s.extended ? left(VM | (flagsOf(s) & ~VIF)) : GP),
  STI: (s) => (s.iopl === 3 ? left(VM | flagsOf(s) | IF) : s.extended && !s.vip ? left(VM | flagsOf(s) | VIF) : GP),
  PUSHF: (s) => {
    const mask = s.width === 1 ? 0xffff : 0xffff_ffff;
    if (s.iopl === 3) return left(VM | flagsOf(s), (flagsOf(s) & mask) >>> 0);
    if (!s.extended || s.width === 2) return GP;
    return left(VM | flagsOf(s), (flagsOf(s) & mask & ~IF) | IOPL | (s.vif ? IF : 0));
  },
  POPF: (s) => {
    const popped = imageOf(s) & (Rflags.ARITHMETIC | TF);
    if (s.iopl === 3) return left(VM | (flagsOf(s) & ~IF) | popped | (s.imageIf ? IF : 0));
    if (!s.extended || s.width === 2 || s.imageTf || (s.imageIf && s.vip)) return GP;
    return left(VM | (flagsOf(s) & ~VIF) | popped | (s.imageIf ? VIF : 0));
  },
  IRET: (s) => {
    const popped = imageOf(s) & (Rflags.ARITHMETIC | TF);
    if (s.iopl === 3) return left(VM | (flagsOf(s) & ~IF) | popped | (s.imageIf ? IF : 0), 'at', 0x77, 0x500);
    if (!s.extended || s.width === 2 || s.imageTf || (s.imageIf && s.vip)) return GP;
    return left(VM | (flagsOf(s) & ~VIF) | popped | (s.imageIf ? VIF : 0), 'at', 0x77, 0x500);
  },
  INT: (s) => {
    // Methods 1 and 4: the monitor's handler, by an interrupt gate; 2 and 3: #GP; 5 and 6: the program's own.
    if (s.iopl === 3 && (!s.extended || s.kept)) return left(flagsOf(s) & ~IF, 'monitor', VM | flagsOf(s));
    if (s.iopl < 3 && (!s.extended || s.kept)) return GP;
    if (s.iopl === 3) return left(VM | (flagsOf(s) & ~IF), 'own', flagsOf(s) & 0xffff, 0x100, 0x42);
    return left(VM | (flagsOf(s) & ~VIF), 'own', (flagsOf(s) & 0xffff & ~IF) | IOPL | (s.vif ? IF : 0), 0x100, 0x42);
  },
};

const run = (name: string, state: State): Outcome => {
  const p = vm86(state);
  const bytes = state.width * 2;
  const frame = name === 'IRET' ? [0x77, 0x500, imageOf(state)] : [imageOf(state)];
  if (name !== 'INT')
    frame.forEach((value, i) => {
      if (bytes === 2) p.memory.write16(STACK + i * 2, value);
      else p.memory.write32(STACK + i * 4, value);
    });
  const result = p.run(SysOp[name as 'CLI'], { width: state.width });
  if (typeof result === 'string') return result;
  const flags = rflags(p.vp);
  if (name === 'PUSHF') return left(flags, bytes === 2 ? p.memory.read16(STACK - 2) : p.memory.read32(STACK - 4));
  if (name === 'IRET') return left(flags, 'at', Number(p.rip), p.vp.csSelector);
  if (name !== 'INT') return left(flags);
  if (p.rip === 0x9000n) return left(flags, 'monitor', p.memory.read32(Number(p.rsp) + 8));
  const [ip, cs, pushed] = p.stack(STACK - 6, 3, 2);
  return left(flags, p.rip === 0x123n && p.vp.csSelector === 0x400 ? 'own' : 'elsewhere', pushed, cs, ip);
};

for (const name of Object.keys(MODEL))
  test(`virtual-8086 mode: ${name} in every state is what the model makes of it`, (t) => {
    const outcomes = new Set<string>();
    for (const state of STATES) {
      const is = run(name, state);
      outcomes.add(is);
      if (is !== MODEL[name]!(state)) t.is(is, MODEL[name]!(state), JSON.stringify(state));
    }
    t.true(outcomes.size > 10, String(outcomes.size));
  });

test('a redirection bitmap beyond the task state segment, or in one of 16 bits: #GP(0)', (t) => {
  const state: State = { iopl: 0, extended: true, if: true, vif: true, vip: false, width: 1, imageIf: false, imageTf: false, kept: false };
  for (const [access, limit] of [
    [0x8b, 0x68 + 4],
    [0x8b, 0x60],
    [0x83, 0x20ff],
  ] as const) {
    const p = vm86(state);
    Object.assign(p.vp, { trAccess: access, trLimit: limit });
    t.is(p.run(SysOp.INT), GP);
    t.is(p.rsp, BigInt(SP));
  }
});

test('level 3 with CR4.PVI: CLI and STI are of VIF where IOPL denies IF; POPF is not', (t) => {
  for (const state of STATES) {
    if (state.width === 1 || state.kept) continue;
    const level3 = (): TestProcessor => {
      const p = protectedMode(3);
      p.vp.cr4 |= state.extended ? Cr4.PVI : 0;
      setRflags(p.vp, flagsOf(state));
      return p;
    };
    const denied = state.iopl < 3;
    const after = (op: number): Outcome => {
      const p = level3();
      const result = p.run(op);
      return typeof result === 'string' ? result : left(rflags(p.vp));
    };
    const flags = flagsOf(state);
    t.is(after(SysOp.CLI), !denied ? left(flags & ~IF) : state.extended ? left(flags & ~VIF) : GP);
    t.is(after(SysOp.STI), !denied ? left(flags | IF) : state.extended && !state.vip ? left(flags | VIF) : GP);
    const p = level3();
    put(p, Number(p.rsp), [imageOf(state)]);
    p.run(SysOp.POPF);
    const popped = imageOf(state) & (Rflags.ARITHMETIC | TF | (denied ? 0 : IF));
    t.is(rflags(p.vp), (denied ? flags : flags & ~IF) | popped);
  }
});

test('without virtual interrupts levels 1 and 2 have none either', (t) => {
  const p = protectedMode();
  p.vp.cr4 |= Cr4.PVI | Cr4.VME;
  p.vp.cpl = 1;
  setRflags(p.vp, 2);
  t.is(p.run(SysOp.CLI), GP);
  t.is(p.run(SysOp.STI), GP);
});
