// An interrupt shadow covers exactly one instruction, however often another LP kicks meanwhile: STI; HLT must not let an interrupt in between (SDM 2B, STI).
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { KICKED, LpContextLayout } from '../../shared/layout/lp-context.js';
import { InterruptShadow, Slot } from '../../shared/layout/vp.js';
import { bareProcessor, userMode } from '../rig/bare-processor.js';

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
