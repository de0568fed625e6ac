// `npm run bench`: guests that time themselves, on hvd and on its peers in turn, and the ratios between them. Ratios above 1: hvd is faster.
// Options: --suite cpu|vtlb|interrupts|smp, --against v86,tcg, --bits 32|64, --quick, --json, --rounds N, --only a,b.
import { parseArgs } from 'node:util';
import { type EngineName, measure, missing } from './engine.js';
import { HOT, SUITES, type Workload } from './workloads.js';

const { values } = parseArgs({
  options: {
    suite: { type: 'string', default: 'cpu' },
    against: { type: 'string', default: 'v86,tcg' },
    bits: { type: 'string', default: '32' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    only: { type: 'string' },
  },
});
const fail = (message: string): never => {
  console.error(`bench: ${message}`);
  process.exit(2);
};
const bits: 32 | 64 = values.bits === '32' ? 32 : values.bits === '64' ? 64 : fail(`--bits is 32 or 64, not ${values.bits}`);
const suite = SUITES[values.suite] ?? fail(`--suite is one of ${Object.keys(SUITES).join(', ')}, not ${values.suite}`);
const only = values.only?.split(',');
const workloads = suite.workloads.filter((w) => !only || only.includes(w.name));
const rounds = Number(values.rounds ?? (values.quick ? 1 : 3));
const say = (text: string): void => {
  if (!values.json) process.stderr.write(text);
};

const engines: EngineName[] = ['hvd'];
for (const name of values.against.split(',').filter((n) => n !== '')) {
  if (name !== 'v86' && name !== 'tcg') fail(`--against knows v86 and tcg, not ${name}`);
  const reason = missing(name as EngineName, bits);
  if (reason) say(`${name} left out: ${reason}\n`);
  else engines.push(name as EngineName);
}

const median = (a: number[]): number => {
  const s = [...a].sort((x, y) => x - y);
  return s.length % 2 ? s[s.length >> 1] : (s[s.length / 2 - 1] + s[s.length / 2]) / 2;
};
interface Row {
  workload: string;
  bits: number;
  checksum: string | null;
  /** Seconds, medians, by engine. */ seconds: Partial<Record<EngineName, number>>;
  /** Peer's seconds over hvd's. */ ratio: Partial<Record<EngineName, number>>;
  note?: string;
}
const times = new Map<string, Map<EngineName, number[]>>();
const checksums = new Map<string, Set<string>>();
const notes = new Map<string, string>();
const one = async (engine: EngineName, w: Workload): Promise<void> => {
  const div = values.quick ? w.div * 4 : w.div;
  const append = `run=${w.name} div=${div}`;
  try {
    const m = await measure(engine, bits, suite.vps, append, values.quick ? 60 : 180);
    for (const s of m.skipped) notes.set(w.name, `${engine}: ${s.reason}`);
    for (const r of m.results) {
      if (!times.has(w.name)) times.set(w.name, new Map());
      const row = times.get(w.name)!;
      row.set(engine, [...(row.get(engine) ?? []), r.seconds]);
      if (!checksums.has(w.name)) checksums.set(w.name, new Set());
      checksums.get(w.name)!.add(r.checksum);
    }
  } catch (error) {
    notes.set(w.name, (error as Error).message.split('\n')[0]);
  }
};
for (let round = 0; round < rounds; round++)
  for (const w of workloads)
    for (const engine of engines) {
      say(`\rround ${round + 1}/${rounds} ${w.name.padEnd(8)} ${engine}   `);
      await one(engine, w);
    }
say('\r\x1b[K');

const rows: Row[] = workloads.map((w) => {
  const row: Row = { workload: w.name, bits, checksum: [...(checksums.get(w.name) ?? [])].join('!=') || null, seconds: {}, ratio: {} };
  for (const [engine, list] of times.get(w.name) ?? []) row.seconds[engine] = median(list);
  for (const e of engines) if (e !== 'hvd' && row.seconds[e] && row.seconds.hvd) row.ratio[e] = row.seconds[e]! / row.seconds.hvd;
  const note = notes.get(w.name);
  if (note) row.note = note;
  return row;
});
const geomean = (names?: readonly string[]): Record<string, number> =>
  Object.fromEntries(
    engines
      .filter((e) => e !== 'hvd')
      .map((e) => {
        const r = rows.filter((x) => x.ratio[e] && (!names || names.includes(x.workload))).map((x) => Math.log(x.ratio[e]!));
        return [e, r.length ? Math.exp(r.reduce((a, b) => a + b, 0) / r.length) : Number.NaN];
      }),
  );
const result = { suite: values.suite, bits, rounds, rows, geomean: geomean(), geomeanHot: geomean(HOT) };
if (values.json) console.log(JSON.stringify(result));
else {
  const peers = engines.filter((e) => e !== 'hvd');
  console.log(`${'workload'.padEnd(10)}${'hvd s'.padStart(9)}${peers.map((p) => `${p} s`.padStart(9) + `hvd/${p}`.padStart(10)).join('')}`);
  for (const r of rows)
    console.log(
      `${r.workload.padEnd(10)}${(r.seconds.hvd?.toFixed(3) ?? '-').padStart(9)}${peers.map((p) => (r.seconds[p]?.toFixed(3) ?? '-').padStart(9) + (r.ratio[p]?.toFixed(2) ?? '-').padStart(10)).join('')}${r.note ? `  ${r.note}` : ''}${r.checksum?.includes('!=') ? `  CHECKSUMS DIFFER ${r.checksum}` : ''}`,
    );
  for (const p of peers) console.log(`geomean against ${p}: ${result.geomean[p].toFixed(2)} (hot: ${result.geomeanHot[p].toFixed(2)})`);
}
