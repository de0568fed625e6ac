// Interrupts aimed into the window in which an LP changes super-mode: while paging is off, or the IDT is of the other mode, none may be taken, and none may be lost
// or come twice. They are posted by another thread at any instruction, and by this one at each instruction of the page in turn.
// WORLD_SWITCHES=1000000 is the long run.

import { Worker } from 'node:worker_threads';
import test from 'ava';
import { LpLayout, lpBlockAt } from '../../shared/layout/machine.js';
import { worldRig } from '../rig/world-rig.js';

const SWITCHES = Number(process.env.WORLD_SWITCHES ?? 10_000);
/** Vectors of every priority class that devices may have. */
const FIRST = 0x20;
const VECTORS = 0xc0;

/** Posts random vectors until told to stop; one that is still requested is one with the next (SDM 3A 11.8.4): only those that were not count. */
const POSTER = `
  const { workerData: { buffer, irr, control } } = require('node:worker_threads');
  const i32 = new Int32Array(buffer);
  const words = new Int32Array(control);
  let seed = 12345;
  while (Atomics.load(words, 0) === 0) {
    seed = (Math.imul(seed, 1103515245) + 12345) | 0;
    const vector = ${FIRST} + ((seed >>> 8) % ${VECTORS});
    const bit = 1 << (vector & 31);
    if ((Atomics.or(i32, irr + (vector >>> 5), bit) & bit) === 0) words[1 + vector]++;
    for (let pause = (seed >>> 20) & 0x3ff; pause > 0; pause--) ;
  }
  Atomics.store(words, 300, 1);
  Atomics.notify(words, 300);
`;

test.serial(`${SWITCHES} switches under a storm of interrupts lose none and have none twice`, (t) => {
  const { apic, trip, handled, own, block, buffer } = worldRig('both');
  const control = new SharedArrayBuffer(301 * 4);
  const words = new Int32Array(control);
  const worker = new Worker(POSTER, { eval: true, workerData: { buffer, irr: (lpBlockAt(0) + LpLayout.at.physicalIrr) >>> 2, control } });
  const seen = new Uint32Array(256);
  // The worker comes up meanwhile.
  for (let switches = 0; switches < SWITCHES || handled.length === 0; switches++) {
    trip();
    if (handled.length < 10_000) continue;
    for (const vector of handled.splice(0)) seen[vector]++;
  }
  Atomics.store(words, 0, 1);
  Atomics.wait(words, 300, 0, 10_000);
  while (apic.requested(0) >= 0) trip();
  for (const vector of handled) seen[vector]++;
  for (let vector = 0; vector < 256; vector++) {
    t.is(seen[vector], words[1 + vector], `vector ${vector}`);
    t.is(own.views.u32[(own.counts >>> 2) + vector], seen[vector], `vector ${vector} by the 64-bit IDT`);
  }
  const all = seen.reduce((sum, n) => sum + n, 0);
  t.true(all > 100, String(all));
  t.true(block.superModeSwitches >= SWITCHES);
  void worker.terminate();
});

for (const tiers of ['cold', 'hot'] as const)
  test.serial(`an interrupt at each instruction of the page waits until an IDT fits it (${tiers})`, (t) => {
    let steps = 0;
    let due = 0;
    const rig = worldRig(tiers, {}, () => {
      if (steps++ === due) rig.apic.send(0, 0x55);
    });
    const { apic, trip, handled } = rig;
    for (due = 0; ; due++) {
      handled.length = steps = 0;
      trip();
      if (steps <= due) break;
      while (apic.requested(0) >= 0) trip();
      t.deepEqual(handled, [0x55], `at instruction ${due}`);
    }
    // All of the page but what only interrupts and debug registers reach.
    t.true(due > 80, String(due));
  });
