// The load scripts that come with hvd: each is played on a private machine, shorter than by default, and what it asserts holds.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { play } from '../../daemon/lab/script/play.js';
import { readScript } from '../../daemon/lab/script/script-file.js';
import { MachineStage } from '../../daemon/lab/stage/machine-stage.js';
import { defaultMachine } from '../../daemon/root/config/machine-file.js';
import { packageRoot } from '../../daemon/root/package-root.js';

const FOLDER = join(packageRoot(), 'configs/loads');
const MACHINE = { ...defaultMachine(), clock: 'deterministic', idle: 'skip', quantumCycles: 32_000, pin: false } as const;

/** Scripts whose guests need another LP to get going in so short a time. */
const ON_TWO = ['idle.yaml', 'noisy-neighbour.yaml'];

for (const name of readdirSync(FOLDER))
  test(`${name}: what it asserts holds, and it measures something`, async (t) => {
    const script = readScript(join(FOLDER, name), { time: '7ms' });
    const stage = await MachineStage.start({ ...MACHINE, lps: ON_TWO.includes(name) ? 2 : 1 });
    try {
      const { assertions, measured, stretches } = await play(script, stage);
      t.true(assertions.length > 0);
      for (const { holds, text, why } of assertions) t.true(holds, why ?? text);
      t.true(Object.values(measured).some((value) => Number(value) > 0));
      t.true(stretches.every(({ window }) => Number(window.seconds) > 0));
    } finally {
      await stage.stop();
    }
  });
