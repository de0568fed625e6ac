// An interrupt shadow covers exactly one instruction, however often another LP kicks meanwhile, and whatever the instruction does to the APIC: STI; HLT must not let an interrupt in between (SDM 2B, STI).
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { KICKED, LpContextLayout } from '../../shared/layout/lp-context.js';
import { InterruptShadow, Slot } from '../../shared/layout/vp.js';
import { bareProcessor, userMode } from '../rig/bare-processor.js';
import { Kernel, KernelMachine } from '../rig/kernel-machine.js';

const CODE = 0x0040_0000;
const ROUNDS = 20_000;

/** A thread that stores KICKED into the kick word until told to stop. */
const KICKER = `
const { workerData } = require('node:worker_threads');
const words = new Int32Array(workerData.buffer);
Atomics.store(workerData.running, 0, 1);
Atomics.notify(workerData.running, 0);
while (Atomics.load(workerData.running, 0) === 1) Atomics.store(words, workerData.kick, workerData.kicked);
`;

test('an instruction under an interrupt shadow runs although kicks keep coming', async (t) => {
  const machine = bareProcessor(0x10000);
  const { views, vp, processor } = machine;
  machine.pages.set(CODE / 4096, { gfn: 1, writable: false, user: true });
  userMode(machine, 64, 0x8000);
  // inc eax; jmp back
  views.u8.set([0xff, 0xc0, 0xeb, 0xfc], machine.host(0x1000));
  const slots = vp.base >>> 3;
  views.u64[slots + Slot.RIP] = BigInt(CODE);
  views.u64[slots + Slot.RAX] = 0n;
  processor.modeChanged();
  const kick = (processor.context.base + LpContextLayout.at.kick) >>> 2;
  const running = new Int32Array(new SharedArrayBuffer(4));
  const kicker = new Worker(KICKER, { eval: true, workerData: { buffer: views.buffer, kick, kicked: KICKED, running } });
  Atomics.wait(running, 0, 0, 10_000);
  t.is(Atomics.load(running, 0), 1, 'the kicking thread runs');
  let lost = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const before = views.u64[slots + Slot.RIP];
    processor.runShadowed(InterruptShadow.INTERRUPTS);
    if (views.u64[slots + Slot.RIP] === before) lost++;
  }
  Atomics.store(running, 0, 2);
  await kicker.terminate();
  t.is(lost, 0, `${lost} of ${ROUNDS} shadows ended with nothing executed in them`);
  t.is(views.u64[slots + Slot.RAX], BigInt(ROUNDS / 2));
});

const APIC_PAGE = 0x1f_0000;
const HANDLER = 0xe000;
const TIMES = 40;
const le32 = (n: number): string => Buffer.from(Uint32Array.of(n).buffer).toString('hex');
/** mov dword [rdi + offset], value: ten bytes. */
const write = (offset: number, value: number): string => `c787${le32(offset)}${le32(value)}`;
const TPR = 0x80;
const EOI = 0xb0;
/** An interrupt to itself. */
const SELF = write(0x300, 0x4_0041);
const STI = 'fb';
/** push rax; mov rax, [rsp + 8]; mov [rsi], rax; inc dword [rsi + 8]; the EOI; pop rax; iretq. */
const RECORD = `50488b442408488906ff4608${write(EOI, 0)}5848cf`;

/** What is done with interrupts off, and behind which byte of it the interrupt comes. */
const PROGRAMS: readonly (readonly [what: string, code: string, behind: number])[] = [
  ['TPR lets it in', `${write(TPR, 0xf0)}${SELF}${STI}${write(TPR, 0)}`, 31],
  ['an EOI of nothing', `${SELF}${STI}${write(EOI, 0)}`, 21],
  ['STI again', `${SELF}${STI}${STI}`, 12],
  ['TPR keeps it away, the next write lets it in', `${SELF}${STI}${write(TPR, 0xf0)}${write(TPR, 0)}`, 31],
  ['no shadow: STI when interrupts are on', `${STI}90${write(TPR, 0xf0)}${SELF}${STI}${write(TPR, 0)}`, 33],
];

for (const tiers of ['cold', 'hot'] as const)
  for (const counted of [false, true])
    test(`${tiers}, ${counted ? 'without' : 'with'} shortcuts: the instruction in STI's shadow may be a write to the APIC that lets an interrupt in, which comes behind it`, (t) => {
      for (const [what, code, behind] of PROGRAMS) {
        const observe = { memory: new SharedArrayBuffer(8), count: true, stackPeriod: 0, trace: undefined };
        const machine = new KernelMachine(tiers, 'max', 1, { observe: counted ? observe : undefined });
        machine.pte = { page: APIC_PAGE, value: 0xfee0_0003n };
        machine.vp.apicSvr = 0x1ff;
        machine.gate(0x41, HANDLER);
        machine.load(RECORD, HANDLER);
        const body = `${code}90fa`;
        machine.load(`${body}41ffc80f85${le32(-(body.length / 2 + 9))}`);
        const stop = machine.run({ registers: { [Slot.RDI]: APIC_PAGE, [Slot.RSI]: Kernel.DATA, [Slot.R8]: TIMES } });
        t.is(stop.vector, -1, what);
        const data = machine.host(Kernel.DATA);
        t.is(machine.views.u32[(data + 8) >>> 2], TIMES, `${what}: interrupts`);
        t.is(machine.views.u64[data >>> 3], BigInt(Kernel.CODE + behind), what);
      }
    });
