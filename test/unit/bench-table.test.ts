// The bench's own arithmetic, and its native program against what the guests compute.
import { execFileSync } from 'node:child_process';
import test from 'ava';
import { enginesOf } from '../bench/engine.js';
import { Markers } from '../bench/markers.js';
import { buildNative, NATIVE_WORKLOADS, nativeProgram } from '../bench/native.js';
import { asMarkdown, asText, geomean, geomeanHot, Measurements } from '../bench/table.js';
import { EXPECTED, TWO_PROCESSORS } from '../guests/bench-expected.js';

const measured = (): Measurements => {
  const m = new Measurements();
  for (const seconds of [1, 3, 2]) m.add('crc', 'hvd', seconds, 'aa');
  for (const seconds of [8, 1, 4]) m.add('crc', 'v86', seconds, 'aa');
  m.add('smc', 'hvd', 2, 'bb');
  m.add('smc', 'v86', 1, 'cc');
  m.add('outb', 'v86', 1, 'dd');
  m.note('outb', 'hvd did not finish');
  return m;
};
const rows = ['crc', 'smc', 'outb'].map((name) => measured().row(name, 32));

test('medians over rounds, and ratios above 1 where hvd is faster', (t) => {
  t.deepEqual(rows[0], { workload: 'crc', bits: 32, checksum: 'aa', seconds: { hvd: 2, v86: 4 }, ratio: { v86: 2 } });
  t.deepEqual(rows[1]!.ratio, { v86: 0.5 });
  t.deepEqual(rows[2], { workload: 'outb', bits: 32, checksum: 'dd', seconds: { v86: 1 }, ratio: {}, note: 'hvd did not finish' });
  t.deepEqual(geomean(rows), { v86: 1 });
  t.deepEqual(geomeanHot(rows), { v86: 2 });
});

test('a table shows what was not measured, and engines that disagree', (t) => {
  const result = { suite: 'cpu', bits: 32, rounds: 3, rows, geomean: geomean(rows), geomeanHot: geomeanHot(rows) };
  const text = asText(result, ['hvd', 'v86']);
  t.regex(text, /^crc +2\.000 +4\.000 +2\.00$/m);
  t.regex(text, /^smc .*CHECKSUMS DIFFER bb!=cc$/m);
  t.regex(text, /^outb +- +1\.000 +- +hvd did not finish$/m);
  t.regex(text, /^geomean of v86 \/ hvd: 1\.00 \(hot: 2\.00\)$/m);
  const markdown = asMarkdown(result, ['hvd', 'v86']).split('\n');
  t.is(markdown[0], '| workload | hvd s | v86 s | / hvd |');
  t.is(markdown[2], '| crc | 2.000 | 4.000 | 2.00 |');
  t.is(new Set(markdown.map((line) => line.replace(/<!--.*/, '').split('|').length)).size, 1);
});

test('an engine that cannot be had is left out and said', (t) => {
  const said: string[] = [];
  t.false(enginesOf(['v86'], 64, (text) => said.push(text)).some((engine) => engine.name === 'v86'));
  t.deepEqual(said, ['v86 left out: v86 has no long mode\n']);
});

for (const bits of [32, 64] as const) {
  test.serial(`the native program computes what the guest computes (${bits} bits)`, (t) => {
    const reason = buildNative(bits);
    if (reason !== undefined) {
      t.log(reason);
      t.regex(reason, /gcc/);
      return;
    }
    // Two threads that wait for each other may take long on a host with other things to do.
    const names = NATIVE_WORKLOADS.filter((name) => name in EXPECTED && !TWO_PROCESSORS.includes(name));
    const markers = new Markers();
    markers.feed(execFileSync(nativeProgram(bits), [`run=${names.join()}`, 'div=2000'], { encoding: 'latin1' }));
    t.true(markers.done);
    t.deepEqual(
      markers.results.map((r) => [r.name, r.checksum, r.operations]),
      names.map((name) => [name, ...EXPECTED[name]!]),
    );
  });
}
