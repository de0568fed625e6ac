// One thread of guest-threads.ts: a processor that runs what it is told until INT3 or a fault.
import { parentPort, workerData } from 'node:worker_threads';
import { Left } from '../../daemon/machine/guest-exits.js';
import { Slot } from '../../shared/layout/vp.js';
import { bareProcessor, takeEvent, toUser, userMode } from './bare-processor.js';
import {
  CODE_BYTES,
  DATA_BYTES,
  Place,
  SYSTEM_BYTES,
  SYSTEM_GPA,
  type ThreadData,
  type ThreadEnd,
  type ThreadStart,
} from './guest-threads.js';

const BUDGET = 50_000;
/** PAUSEs in a row after which the thread gives way: others may need the host's processor that it spins on. */
const SPINS_MAX = 300;
const YIELD_MS = 0.05;
const RUNS_MAX = 1_000_000;

const { memory, lp, lps, tiers } = workerData as ThreadData;
const idle = new Int32Array(new SharedArrayBuffer(4));
let spins = 0;
const machine = bareProcessor(0, { tiers }, false, {
  memory,
  lp,
  lps,
  pause: () => {
    if (++spins % SPINS_MAX === 0) Atomics.wait(idle, 0, 0, YIELD_MS);
  },
});
const { views, vp, processor, handshake } = machine;
for (let i = 0; i < CODE_BYTES; i += 4096)
  machine.pages.set((Place.CODE + i) / 4096, { gfn: (Place.CODE + i) / 4096, writable: false, user: true });
for (let i = 0; i < DATA_BYTES; i += 4096)
  machine.pages.set((Place.DATA + i) / 4096, { gfn: (Place.DATA + i) / 4096, writable: true, user: true });
const system = SYSTEM_GPA + lp * SYSTEM_BYTES;
userMode(machine, 64, system);

const run = (start: ThreadStart): ThreadEnd => {
  const slots = vp.base >>> 3;
  toUser(machine, 64);
  for (let i = 0; i < 16; i++) views.u64[slots + i] = BigInt(start.registers[i] ?? 0);
  views.u64[slots + Slot.RIP] = BigInt(start.rip);
  views.u64[slots + Slot.FLAG_RESULT] = 1n;
  views.u64[slots + Slot.FLAG_AUX] = 0n;
  machine.halted = machine.shutDown = false;
  machine.busLocks = 0;
  processor.modeChanged();
  for (let i = 0; i < RUNS_MAX && !machine.halted && !machine.shutDown; i++) {
    if (processor.run(BUDGET) !== Left.BUDGET || processor.context.budget < 0) continue;
    processor.takeKick();
    handshake?.acknowledge();
  }
  if (!machine.halted) throw new Error(machine.shutDown ? 'shut down' : 'did not end');
  const event = takeEvent(machine, 64, system);
  return {
    vector: event.vector,
    rip: Number(event.rip) - 1,
    error: null,
    busLocks: machine.busLocks,
    compilations: processor.code.compilations,
  };
};

parentPort?.on('message', (start: ThreadStart) => {
  let end: ThreadEnd;
  try {
    end = run(start);
  } catch (caught) {
    end = { vector: -1, rip: 0, error: String((caught as Error).stack), busLocks: 0, compilations: 0 };
  }
  parentPort?.postMessage(end);
});
