// Experiments: cells and their numbers, what is kept when a run is killed, and what a report makes of results.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { type Experiment, experimentSchema } from '../../daemon/lab/experiment/experiment.js';
import { type Cell, cellsOf, quickly } from '../../daemon/lab/experiment/matrix.js';
import type { CellResult } from '../../daemon/lab/experiment/run-cell.js';
import { manifestOf, ResultStore } from '../../daemon/lab/experiment/store.js';
import { changesOf, groupsOf } from '../../daemon/lab/report/groups.js';
import { htmlOf, markdownOf } from '../../daemon/lab/report/report.js';
import { parseYaml } from '../../daemon/root/config/yaml-file.js';

const TEXT = `
name: locks
question: Does it help?
parameters: { hold: 100 }
partitions: [{ name: v, image: workload64, vps: 2, memory: 8M }]
phases:
  - { name: on, for: 1ms, jobs: { v: { job: spinlock, parameters: { hold: $hold } } } }
matrix:
  policies: { spin.express: [off, on], spin.detect: [off, pause] }
  parameters: { hold: [100, 200, 300] }
without: [{ spin.express: on, spin.detect: off }]
seeds: 2
measure: { rate: { value: phases.on.operationsPerSecond, unit: 1/s }, latency: { value: phases.on.partitions.v.latencyMean, better: less } }
baseline: { spin.express: off, spin.detect: off }
published: [{ claim: much, source: somebody, measure: rate, settings: { spin.express: on }, range: [2, 5], differs: other locks }]
`;
const read = (text = TEXT): Experiment => parseYaml(text, 'e.yaml', experimentSchema({}));

test('cells: each combination and seed once, those left out are not there, and their ids are of what they do', (t) => {
  const cells = cellsOf(read(), '/somewhere');
  t.is(cells.length, 3 * 3 * 2);
  t.is(new Set(cells.map(({ id }) => id)).size, cells.length);
  t.false(cells.some(({ settings }) => settings['spin.express'] === 'on' && settings['spin.detect'] === 'off'));
  t.deepEqual(
    cells.map(({ id }) => id),
    cellsOf(read(), '/elsewhere').map(({ id }) => id),
    'where the file is says nothing',
  );
  const other = cellsOf(read(TEXT.replace('for: 1ms', 'for: 2ms')), '/somewhere');
  t.false(other.some(({ id }) => cells.some((cell) => cell.id === id)));
  const last = cells.at(-1)!;
  t.is(last.machine.seed, 2);
  t.deepEqual(last.script.phases[0]!.jobs.v, [{ job: 'spinlock', parameters: { hold: 300 } }]);
  t.is(last.machine.policies['spin.express'], 'on');
});

test('quickly: the ends of long axes, one seed', (t) => {
  const cells = cellsOf(quickly(read()), '/');
  t.is(cells.length, 3 * 2);
  t.deepEqual([...new Set(cells.map(({ settings }) => settings.hold))], ['100', '300']);
});

const MISTAKES: readonly (readonly [from: string, to: string, RegExp])[] = [
  ['[off, pause]', '[off, sometimes]', /^e\.yaml:9 matrix\.policies\.spin\.detect\[1\]: spin\.detect: sometimes is not one of/],
  ['[100, 200, 300]', '[100, many]', /phases\[0\]\.jobs\.v\.parameters\.hold: expected a whole number/],
  [
    'baseline: { spin.express: off,',
    'baseline: { spin.express: maybe,',
    /baseline\.spin\.express: expected one of its values \(off, on\), got maybe/,
  ],
  [
    'baseline: {',
    'baseline: { colour: red,',
    /baseline\.colour: expected an axis of the matrix \(spin\.express, spin\.detect, hold\), got colour/,
  ],
  ['seeds: 2', 'seeds: 0', /^e\.yaml:12 seeds: expected a number of seeds from 1 to 10000/],
  ['measure: rate', 'measure: rat', /published\[0\]\.measure: expected something that is measured, got rat/],
  ['$hold', '$holt', /phases\[0\]\.jobs\.v\.parameters\.hold: expected a parameter of the file, got \$holt; there are hold/],
  ['[100, 200, 300]', '[100, 200, 100]', /^e\.yaml:10 matrix\.parameters\.hold\[2\]: expected each value once, got 100 twice/],
  ['seeds: 2', 'seeds: [7, 8, 7]', /^e\.yaml:12 seeds\[2\]: expected each seed once, got 7 twice/],
  ['seeds: 2', 'seeds: 2\nlimit: 2000000s', /^e\.yaml:13 limit: expected a time from 1ms to a week/],
  ['seeds: 2', 'seeds: 2\nlimit: 0ms', /^e\.yaml:13 limit: expected a time from 1ms to a week/],
  ['jobs: { v:', 'jobs: { w:', /^e\.yaml:7 phases\[0\]\.jobs\.w: expected a partition of the script \(v\), got w/],
];
for (const [from, to, sentence] of MISTAKES)
  test(`refused: ${to}`, (t) => {
    t.true(TEXT.includes(from));
    t.regex(t.throws(() => read(TEXT.replace(from, to))).message, sentence);
  });

test('too many cells are refused', (t) => {
  const many = read(TEXT.replace('seeds: 2', 'seeds: 10000'));
  t.throws(() => cellsOf(many, '/'), { message: 'locks: 120000 cells are more than 100000' });
});

const resultOf = ({ id, settings, seed }: Cell, rate: number): CellResult => ({
  id,
  version: 'x',
  settings,
  seed,
  state: 'done',
  measured: { rate, latency: 1000 / rate },
  assertions: [],
  traceHash: `${id}-${rate}`,
  host: { startMs: 1, runMs: 2 },
});

const folderOf = (t: { teardown(end: () => void): void }): string => {
  const folder = mkdtempSync(join(tmpdir(), 'hvd-lab-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

test('results are kept as they come; what a killed writer leaves, or is no result, is done again', (t) => {
  const folder = folderOf(t);
  const experiment = read();
  const cells = cellsOf(experiment, '/');
  const manifest = manifestOf(experiment, cells, 'hvd …', { host: 'x' });
  const store = ResultStore.open(folder, manifest);
  for (const cell of cells.slice(0, 3)) store.put(resultOf(cell, 10));
  store.put({ ...resultOf(cells[3]!, 1), state: 'timeout' });
  store.put({ ...resultOf(cells[4]!, 1), id: 'of nobody' });
  writeFileSync(join(folder, 'cells', `${cells[5]!.id}.json`), '{"id":"');
  writeFileSync(join(folder, 'cells', `${cells[6]!.id}.json.9999999-0.part`), '{');
  const again = ResultStore.open(folder, manifest);
  t.deepEqual(
    cells.map(({ id }) => again.isDone(id)),
    cells.map((_, index) => index < 3),
  );
  t.false(readdirSync(join(folder, 'cells')).some((name) => name.endsWith('.part')));
  const other = cellsOf(read(TEXT.replace('for: 1ms', 'for: 2ms')), '/');
  t.throws(() => ResultStore.open(folder, manifestOf(experiment, other, '', {})), { code: 'experiment.other' });
  t.throws(() => ResultStore.read(join(folder, 'nowhere')), { code: 'experiment.unreadable' });
});

test('a folder is read as it is: a report changes nothing in it, nor does a run take away what another one is writing', (t) => {
  const folder = folderOf(t);
  const cells = cellsOf(read(), '/');
  const manifest = manifestOf(read(), cells, '', {});
  ResultStore.open(folder, manifest).put(resultOf(cells[0]!, 10));
  const dead = spawnSync(process.execPath, ['-e', '']).pid;
  for (const pid of [dead, process.pid, 0]) writeFileSync(join(folder, 'cells', `${cells[1]!.id}.json.${pid}-0.part`), '{');
  const before = readdirSync(join(folder, 'cells'));
  t.is(ResultStore.read(folder).results.length, 1);
  t.deepEqual(readdirSync(join(folder, 'cells')), before);
  ResultStore.open(folder, manifest);
  t.deepEqual(
    readdirSync(join(folder, 'cells')),
    before.filter((name) => !name.includes(`.${dead}-`)),
  );
});

test('files of results that are none, or of nobody: said in one line, or done again', (t) => {
  const folder = folderOf(t);
  const cells = cellsOf(read(), '/');
  const manifest = manifestOf(read(), cells, '', {});
  const file = join(folder, 'experiment.json');
  ResultStore.open(folder, manifest);
  for (const [index, result] of [
    null,
    [],
    { id: cells[1]!.id, state: 'done' },
    { ...resultOf(cells[2]!, 1), id: cells[0]!.id },
    { ...resultOf(cells[3]!, 1), measured: { rate: null } },
    { ...resultOf(cells[4]!, 1), assertions: 'all' },
  ].entries())
    writeFileSync(join(folder, 'cells', `${cells[index === 3 ? 5 : index]!.id}.json`), JSON.stringify(result));
  t.deepEqual(ResultStore.read(folder).results, []);
  for (const [text, sentence] of [
    ['null', /experiment\.json is of format undefined; this hvd reads 1/],
    ['{"format":7}', /experiment\.json is of format 7; this hvd reads 1/],
    ['{"format":1,"cells":[]}', /experiment\.json: version: /],
    [JSON.stringify({ ...manifest, cells: ['../../x'] }), /experiment\.json: cells\[0\]: /],
    ['{', /no results of an experiment: .*JSON/],
  ] as const) {
    writeFileSync(file, text);
    const error = t.throws(() => ResultStore.read(folder), { code: 'experiment.unreadable' });
    t.regex(error!.message, sentence);
    t.notRegex(error!.message, /\n/);
  }
  rmSync(folder, { recursive: true });
  writeFileSync(folder, '');
  t.throws(() => ResultStore.open(folder, manifest), { code: 'experiment.unwritten' });
});

test('the tidy table: a row for each cell, RFC 4180', (t) => {
  const folder = folderOf(t);
  const experiment = read();
  const cells = cellsOf(experiment, '/').slice(0, 2);
  const store = ResultStore.open(folder, manifestOf(experiment, cells, '', {}));
  for (const cell of cells) store.put(resultOf(cell, 10));
  store.writeTables();
  t.deepEqual(readFileSync(join(folder, 'results.csv'), 'utf8').split('\n'), [
    'spin.express,spin.detect,hold,seed,rate,latency,assertions,failed,trace',
    `off,off,100,1,10,100,0,0,${cells[0]!.id}-10`,
    `off,off,100,2,10,100,0,0,${cells[1]!.id}-10`,
    '',
  ]);
  t.is((JSON.parse(readFileSync(join(folder, 'results.json'), 'utf8')) as unknown[]).length, 2);
});

const filled = (rateOf: (cell: Cell) => number) => {
  const experiment = read();
  const cells = cellsOf(experiment, '/');
  return {
    manifest: manifestOf(experiment, cells, "hvd experiment run 'e.yaml'", { host: '<x> & "y"' }),
    results: cells.map((cell) => resultOf(cell, rateOf(cell))),
  };
};
const rates = ({ settings, seed }: Cell): number =>
  (settings['spin.express'] === 'on' ? 30 : settings['spin.detect'] === 'pause' ? 20 : 10) * (settings.hold === '300' ? 2 : 1) + seed;

test('groups: means and intervals over the seeds, against the baseline that is else the same', (t) => {
  const { manifest, results } = filled(rates);
  const groups = groupsOf(manifest, results);
  t.is(groups.length, 9);
  const find = (express: string, detect: string, hold: string) =>
    groups.find(({ settings }) => settings['spin.express'] === express && settings['spin.detect'] === detect && settings.hold === hold)!;
  t.deepEqual(find('on', 'pause', '100').measured.rate, { mean: 31.5, min: 31, max: 32, count: 2 });
  t.is(find('on', 'pause', '100').against.rate, 31.5 / 11.5);
  t.is(find('on', 'pause', '300').against.rate, 61.5 / 21.5);
  t.true(find('off', 'off', '200').isBaseline);
  t.is(groups.filter(({ isBaseline }) => isBaseline).length, 3);
});

test('a report says what was asked, what came out, what others found, and how to do it again; the page needs nothing from elsewhere', (t) => {
  const run = filled(rates);
  const markdown = markdownOf(run);
  t.regex(markdown, /Does it help\?/);
  t.regex(markdown, /18 of 18 cells done; 2 seeds a combination/);
  t.regex(markdown, /\| on \| pause \| 100 \| 31\.5 \(31 to 32\) \| 2\.74 × \|/);
  t.regex(markdown, /\| much \| somebody \| 2\.00 × to 5\.00 × \| 2\.74 × to 2\.86 × \| other locks \|/);
  const html = htmlOf(run);
  t.is(html.match(/<svg /g)?.length, 2 * 2, 'a chart for each measure and each value of the third axis');
  t.notRegex(html, /(src|href)="?https?:/);
  t.true(html.includes('&lt;x&gt; &amp; &quot;y&quot;'));
  t.is(htmlOf(run), html, 'the same twice');
});

test('against another run: what is the same, what has changed, what only one has', (t) => {
  const before = filled(rates);
  const after = filled((cell) => rates(cell) * (cell.settings.hold === '200' && cell.settings['spin.express'] === 'on' ? 2 : 1));
  const changes = changesOf(groupsOf(before.manifest, before.results), groupsOf(after.manifest, after.results));
  t.is(changes.changed.length, 2);
  t.is(changes.same, 9 * 2 - 2);
  t.regex(markdownOf(after, before), /\| hold=200 spin\.detect=pause spin\.express=on \| rate \| 31\.5 \| 63 \| 2\.00 × \|/);
});

test('the report of 1,000 cells takes less than 5 s', (t) => {
  const experiment = read(TEXT.replace('seeds: 2', 'seeds: 112'));
  const cells = cellsOf(experiment, '/');
  t.true(cells.length >= 1000);
  const run = { manifest: manifestOf(experiment, cells, '', {}), results: cells.map((cell) => resultOf(cell, rates(cell))) };
  const before = process.cpuUsage();
  htmlOf(run, run);
  markdownOf(run, run);
  const { user, system } = process.cpuUsage(before);
  t.true((user + system) / 1e6 < 5, `${(user + system) / 1e6} s`);
});
