// How far time goes back from one processor to another that something is handed to: by less than LPs are apart (SPECIFICATION, Time). On one processor, and on one that moves, never.
import { join } from 'node:path';
import test from 'ava';
import { STEPS_IN_QUANTUM } from '../../daemon/lp/turn.js';
import { packageRoot } from '../../daemon/root/package-root.js';
import { hvd } from '../rig/hvd-process.js';

const IMAGE = join(packageRoot(), 'configs/guests/checks/checks64.elf');
const CYCLES_IN_UNIT = 100;
/** By which a run may go beyond its end: what its last instruction is charged. */
const LAST_INSTRUCTION = 10_000;

for (const { clock, quantum, apart } of [
  { clock: 'quantum', quantum: 100_000, apart: 100_000 },
  { clock: 'quantum', quantum: 1_000_000, apart: 1_000_000 },
  { clock: 'deterministic', quantum: 1_000_000, apart: 1_000_000 / STEPS_IN_QUANTUM },
])
  test(`${clock}, quanta of ${quantum} cycles: time is never further back than ${apart} on the other processor`, async (t) => {
    const options = ['--vps', '2', '--lps', '2', '--hv', 'all', '--append', 'clock', '--testdev', '--debug-exit', '--timeout', '240'];
    const { stdout, stderr } = await hvd('run', IMAGE, ...options, '--clock', clock, '--quantum-cycles', String(quantum));
    t.regex(stdout, /^DONE 1 checked, 0 failed$/m, stderr);
    const [cycles, units] = /^CLOCK (\d+) cycles, (\d+) units/m.exec(stdout)?.slice(1).map(Number) ?? [];
    t.log({ cycles, units });
    t.true(cycles <= apart + LAST_INSTRUCTION, `${cycles} cycles`);
    // One formula: the register goes back with the counter.
    t.true(units * CYCLES_IN_UNIT <= cycles + CYCLES_IN_UNIT, `${units} units, ${cycles} cycles`);
  });
