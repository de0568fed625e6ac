// Single steps and breakpoints, both tiers, through the whole hypervisor (SDM 3B 18.2, 18.3). The handler of #DB writes down RIP and DR6 and returns.
// The rows of single steps are what a real processor did with the same bytes in user mode (RFLAGS.TF set by POPF, a handler for SIGTRAP).
import test from 'ava';
import { Cr4 } from '../../shared/abi/registers.js';
import { Slot, VpState } from '../../shared/layout/vp.js';
import { Kernel, KernelMachine, type RunOptions } from '../rig/kernel-machine.js';

const { RAX, RCX, RDI, RSI } = Slot;
const LOG_POINTER = 0x2_1000;
const LOG = 0x2_1100;
const HANDLER = 0xe000;
const HANDLER_CODE = '5053488b1c2500100200488b4424104889030f21f04889430831c00f23f04883042500100200105b5848cf';
const SET_TF = '9c48810c24000100009d';
const SET_TF_BYTES = 10;
const CLEAR_TF = '9c48812424fffeffff9d';
const BS = 0x4000;
const DR7 = { LOCAL0: 1, GD: 0x2000, FIXED: 0x400 } as const;
/** DR7 with breakpoint 0 enabled: kind 0 execute, 1 write, 2 port, 3 read or write. */
const watch = (kind: number, bytes: 1 | 2 | 4 | 8 = 1): number =>
  DR7.FIXED | DR7.LOCAL0 | (kind << 16) | ({ 1: 0, 2: 1, 4: 3, 8: 2 }[bytes] << 18);

interface Logged {
  readonly rip: number;
  readonly dr6: number;
}

const machineOf = (tiers: 'cold' | 'hot'): KernelMachine => {
  const machine = new KernelMachine(tiers);
  machine.gate(1, HANDLER);
  machine.load(HANDLER_CODE, HANDLER);
  return machine;
};
const logOf = (machine: KernelMachine, code: string, options: RunOptions = {}, at: number = Kernel.CODE): Logged[] => {
  const { views } = machine;
  const word = (gpa: number): number => views.u32[machine.host(gpa) >>> 2];
  views.u64[machine.host(LOG_POINTER) >>> 3] = BigInt(LOG);
  machine.load(code, at);
  const stop = machine.run(options);
  if (stop.vector >= 0) throw new Error(`vector ${stop.vector} at ${stop.rip.toString(16)}`);
  const log: Logged[] = [];
  for (let entry = LOG; entry < word(LOG_POINTER); entry += 16) log.push({ rip: word(entry) - at, dr6: word(entry + 8) & 0xe00f });
  return log;
};
/** RIPs of the traps between the two POPFs, from the first instruction after the one that sets TF. */
const steps = (machine: KernelMachine, body: string, options: RunOptions = {}): number[] =>
  logOf(machine, SET_TF + body + CLEAR_TF, options).map(({ rip }) => rip - SET_TF_BYTES);

const STRING = { registers: { [RSI]: Kernel.DATA, [RDI]: Kernel.DATA + 0x100 } };
// [what, bytes, RIPs of the traps]: the last three are those of the POPF that clears TF, which still traps.
const STEPS: readonly (readonly [string, string, readonly number[]])[] = [
  ['NOPs', '9090', [1, 2, 3, 11, 12]],
  ['REP MOVSB traps after every iteration', 'b903000000f3a490', [5, 5, 5, 7, 8, 9, 17, 18]],
  ['REP MOVSB of nothing', 'b900000000f3a490', [5, 7, 8, 9, 17, 18]],
  ['MOV SS holds the trap off', '8cd08ed09090', [2, 5, 6, 7, 15, 16]],
];

for (const tiers of ['cold', 'hot'] as const) {
  const machine = machineOf(tiers);

  test.serial(`single steps as on a real processor (${tiers})`, (t) => {
    for (const [what, body, expected] of STEPS) t.deepEqual(steps(machine, body, STRING), expected, what);
    t.true(logOf(machine, `${SET_TF}90${CLEAR_TF}`).every(({ dr6 }) => dr6 === BS));
  });

  test.serial(`events and single steps (${tiers})`, (t) => {
    // INT n: the handler is not stepped, and the step after INT n is lost (SDM 3B 18.3.1.4). Gate 80h leads to IRETQ: TF is back, its next instruction traps.
    machine.gate(0x80, HANDLER + 0x100);
    machine.load('48cf', HANDLER + 0x100);
    t.deepEqual(steps(machine, 'cd8090'), [3, 4, 12, 13]);
    // A fault in the stepped instruction: its handler skips the two bytes.
    machine.gate(0, HANDLER + 0x200);
    machine.load('488304240248cf', HANDLER + 0x200);
    t.deepEqual(steps(machine, 'f7f190', { registers: { [RCX]: 0 } }), [3, 4, 12, 13]);
    // HLT with TF: the trap wakes the processor.
    t.deepEqual(steps(machine, 'f490'), [1, 2, 3, 11, 12]);
    t.is(machine.vp.state, VpState.HALTED, 'and the last HLT is one');
    // SYSCALL with TF masked by FMASK: nothing until the caller is back; SYSRET with TF in R11 traps at once.
    Object.assign(machine.vp, { star: 0x0010_0008n << 32n, lstar: BigInt(HANDLER + 0x300), sfmask: 0x100n });
    machine.load('ffe1', HANDLER + 0x300);
    t.deepEqual(steps(machine, '0f0590'), [], 'TF is gone, JMP RCX leads back');
  });

  test.serial(`data breakpoints by kind, length and place (${tiers})`, (t) => {
    const at = Kernel.DATA + 0x40;
    const hits = (code: string, kind: number, bytes: 1 | 2 | 4 | 8, offset: number, registers = {}): Logged[] =>
      logOf(machine, `${code}90`, {
        registers: { [RDI]: at + offset, [RAX]: 1, [RSI]: Kernel.DATA, ...registers },
        dr: { 0: at, 7: watch(kind, bytes) },
      });
    const WRITE = '8907';
    const READ = '8b07';
    t.deepEqual(hits(WRITE, 1, 4, 0), [{ rip: 2, dr6: 1 }], 'a write: after the instruction');
    t.deepEqual(hits(READ, 1, 4, 0), [], 'a read does not trip a write breakpoint');
    t.deepEqual(hits(READ, 3, 4, 0), [{ rip: 2, dr6: 1 }]);
    t.deepEqual(hits(WRITE, 3, 4, 0), [{ rip: 2, dr6: 1 }]);
    t.deepEqual(hits(WRITE, 1, 1, -3), [{ rip: 2, dr6: 1 }], 'the last byte of the access');
    t.deepEqual(hits(WRITE, 1, 1, -4), []);
    t.deepEqual(hits(WRITE, 1, 8, 7), [{ rip: 2, dr6: 1 }], 'the last byte of the breakpoint');
    t.deepEqual(hits(WRITE, 1, 8, 8), []);
    t.deepEqual(hits('f00fc107', 1, 4, 0), [{ rip: 4, dr6: 1 }], 'LOCK XADD');
    t.deepEqual(hits('f3aa', 1, 1, -2, { [RCX]: 4 }), [{ rip: 0, dr6: 1 }], 'REP STOSB: after the iteration');
    // MOV SS, [watched]: the trap waits for the next instruction.
    machine.views.u64[machine.host(at) >>> 3] = 0x10n;
    t.deepEqual(hits('8e179090', 3, 2, 0), [{ rip: 3, dr6: 1 }]);
    t.deepEqual(hits('8e17f190', 3, 2, 0), [{ rip: 3, dr6: 1 }], 'INT1 reports it: one exception for both');
    // A fault takes the hit with it: MOVSB reads what is watched and cannot write.
    machine.load('a4');
    t.is(machine.run({ dr: { 0: at, 7: watch(3, 4) }, registers: { [RSI]: at, [RDI]: 0x20_0000 } }).vector, 14);
    t.is(machine.dr(6) & 0xf, 0);
  });

  test.serial(`instruction breakpoints, RF, and none enabled (${tiers})`, (t) => {
    const target = Kernel.CODE + 2;
    t.deepEqual(logOf(machine, '90909090', { dr: { 0: target, 7: watch(0) } }), [{ rip: 2, dr6: 1 }], 'once: RF lets it pass');
    t.deepEqual(logOf(machine, '90909090', { dr: { 0: target, 7: DR7.FIXED } }), [], 'not enabled');
    t.deepEqual(
      logOf(machine, '8ed09090', { dr: { 0: target, 7: watch(0) }, registers: { [RAX]: 0x10 } }),
      [],
      'after MOV SS it is suppressed',
    );
    t.deepEqual(
      logOf(machine, `${SET_TF}9090${CLEAR_TF}`, { dr: { 0: Kernel.CODE + SET_TF_BYTES + 1, 7: watch(0) } }).map(({ rip, dr6 }) => [
        rip - SET_TF_BYTES,
        dr6,
      ]),
      [
        [1, BS],
        [1, 1],
        [2, BS],
        [3, BS],
        [11, BS],
        [12, BS],
      ],
      'a trap of the instruction before comes first',
    );
  });

  test.serial(`ports with CR4.DE, and general detect (${tiers})`, (t) => {
    const ports = (code: string, cr4: number): Logged[] => logOf(machine, code, { cr4, dr: { 0: 0x80, 7: watch(2, 1) } });
    t.deepEqual(ports('e68090', Cr4.DE), [{ rip: 2, dr6: 1 }]);
    t.deepEqual(ports('e58090', Cr4.DE), [{ rip: 2, dr6: 1 }]);
    t.deepEqual(ports('e68190', Cr4.DE), []);
    t.deepEqual(ports('e68090', 0), [], 'without CR4.DE');
    // GD: before the MOV; the handler finds GD clear, or its own MOVs would fault.
    t.deepEqual(logOf(machine, '0f23c0', { dr: { 7: DR7.FIXED | DR7.GD } }), [{ rip: 0, dr6: 0x2000 }]);
    t.is(machine.run({ cr4: Cr4.DE, entry: Kernel.CODE }).vector, -1);
    machine.load('0f23e0');
    t.is(machine.run({ cr4: Cr4.DE }).vector, 6, 'DR4 with CR4.DE');
    t.is(machine.run({}).vector, -1, 'DR4 is DR6 without');
  });
}
