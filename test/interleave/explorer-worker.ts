// One thread of an explored scenario: an LP of its own, gated. Runs until told to quit.
import { parentPort, workerData } from 'node:worker_threads';
import { ALL_SCENARIOS } from './all-scenarios.js';
import { Aborted, Control, Gate, GatedWords, MAIN, Phase } from './gate.js';
import { gateAtomics } from './gated-atomics.js';
import { MUTANTS } from './mutants.js';
import type { ScenarioThread } from './scenario.js';
import { shortVtlb } from './short-vtlb.js';
import { attachMachine, makeLp } from './small-machine.js';

export interface ExplorerWorkerData {
  readonly control: SharedArrayBuffer;
  readonly partition: WebAssembly.Memory;
  readonly machine: SharedArrayBuffer;
  readonly pages: number;
  readonly threads: number;
  readonly thread: number;
}

const data = workerData as ExplorerWorkerData;
const machine = attachMachine(data.partition, data.machine, data.pages, data.threads);
const control = new Int32Array(data.control);
const gate = new Gate(control, data.thread, data.threads, machine.partition, machine.machine);
const gateWords = gateAtomics(gate, machine.partition, machine.machine);
let body: (() => void) | null = null;

parentPort?.postMessage('ready');
for (;;) {
  gate.await();
  const phase = control[Control.PHASE];
  if (phase === Phase.QUIT) break;
  if (phase === Phase.PREPARE) {
    try {
      const scenario = ALL_SCENARIOS[control[Control.SCENARIO]];
      const mutant = MUTANTS[control[Control.MUTANT]];
      const words = new GatedWords(machine.partition, gate, 0, mutant.torn);
      const classes = mutant.short === undefined ? mutant.classes : shortVtlb(data.partition, gate, mutant.short);
      const lp = makeLp(machine, data.thread, { words, machineWords: new GatedWords(machine.machine, gate, 1), classes });
      const thread: ScenarioThread = {
        lp,
        words,
        machine,
        index: data.thread,
        synic: mutant.synic,
        apic: mutant.apic,
        lpParts: mutant.lp,
        WatchedCode: mutant.WatchedCode,
      };
      gateWords([scenario.atomics ?? [], scenario.machineAtomics ?? []]);
      scenario.prepare?.(thread);
      body = () => scenario.threads[data.thread](thread);
    } catch (error) {
      gate.report(`while preparing: ${error instanceof Error ? error.stack : error}`);
    }
    gate.give(MAIN);
    continue;
  }
  gate.closed = true;
  try {
    if (control[Control.ABORT] !== 0) throw new Aborted();
    body?.();
    gate.closed = false;
    gate.done();
  } catch (error) {
    gate.closed = false;
    if (error instanceof Aborted) gate.done();
    else gate.fail(error instanceof Error ? error.message : String(error));
  }
}
