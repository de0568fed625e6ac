// The scripts and experiments that come with hvd are what they may be: read, planned, and every expression of theirs names what there is.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { readExperiment } from '../../daemon/lab/experiment/experiment-file.js';
import { cellsOf, quickly } from '../../daemon/lab/experiment/matrix.js';
import { planOf } from '../../daemon/lab/script/plan.js';
import { readScript } from '../../daemon/lab/script/script-file.js';
import { packageRoot } from '../../daemon/root/package-root.js';

const files = (folder: string): string[] =>
  readdirSync(join(packageRoot(), 'configs', folder))
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => join(packageRoot(), 'configs', folder, name));

for (const file of files('loads'))
  test(`${file.split('/').at(-1)} is a script with a plan`, (t) => {
    const script = readScript(file);
    t.true(planOf(script, 1e9).end > 0);
    t.true((script.about ?? '').length > 20);
  });

for (const file of files('experiments'))
  test(`${file.split('/').at(-1)} is an experiment, whose published effects are of settings that it has`, (t) => {
    const { experiment, folder } = readExperiment(file);
    const cells = cellsOf(experiment, folder);
    t.true(cells.length > cellsOf(quickly(experiment), folder).length);
    t.true(experiment.published.length > 0);
    for (const { settings = {}, differs } of experiment.published) {
      t.true(cells.some((cell) => Object.entries(settings).every(([name, value]) => cell.settings[name] === value)));
      t.truthy(differs);
    }
    t.true(Object.keys(experiment.baseline).length > 0);
  });
