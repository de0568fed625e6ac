// `npm run bench`: guests that time themselves, on hvd and on its peers in turn, and the ratios between them. Ratios above 1: hvd is faster.
// Options: --suite cpu|interrupts|fp|smp|scaling|scheduler|daemon|code|vtlb|policies|eoi|synic|spin|world|socket|record|hvtop, --against v86,tcg,native, --bits 32|64, --quick, --json, --rounds N, --only a,b, --markdown.
// `--markdown` measures the processor both ways and puts the tables into daemon/PROCESSOR.md; with --suite vtlb, policies, eoi, synic, spin, world or socket theirs into daemon/SPECIFICATION.md. With --only, policies and
// spin write the rows that were measured and leave the others as they are. HVD_NODE=path shows a newer Node beside this one.
import { parseArgs } from 'node:util';
import { codeText, measureCode } from './code-suite.js';
import { type Bits, type Engine, enginesOf, measure, PEER_NAMES } from './engine.js';
import {
  EOI_TABLES,
  hostText,
  POLICY_TABLES,
  PROCESSOR_TABLES,
  readTables,
  SOCKET_TABLES,
  SPIN_TABLES,
  SYNIC_TABLES,
  VTLB_TABLES,
  WORLD_TABLES,
  writeTables,
} from './markdown.js';
import { measureScaling, scalingText } from './scaling-suite.js';
import { asMarkdown, asText, type BenchResult, geomean, geomeanHot, Measurements } from './table.js';
import { SUITES, type Suite, type Workload } from './workloads.js';

const { values } = parseArgs({
  options: {
    suite: { type: 'string', default: 'cpu' },
    against: { type: 'string', default: 'v86,tcg' },
    bits: { type: 'string', default: '32' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    markdown: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    only: { type: 'string' },
  },
});
const fail = (message: string): never => {
  console.error(`bench: ${message}`);
  process.exit(2);
};
const say = (text: string): void => {
  if (!values.json) process.stderr.write(text);
};

const bitsOf = (text: string): Bits => (text === '32' ? 32 : text === '64' ? 64 : fail(`--bits is 32 or 64, not ${text}`));
const suiteOf = (name: string): Suite =>
  SUITES[name] ??
  fail(
    `--suite is one of ${[...Object.keys(SUITES), 'scaling', 'scheduler', 'daemon', 'code', 'vtlb', 'policies', 'eoi', 'synic', 'spin', 'world', 'socket', 'record', 'hvtop'].join(', ')}, not ${name}`,
  );
const peersOf = (text: string): string[] => {
  const peers = text.split(',').filter((name) => name !== '');
  for (const name of peers) if (!PEER_NAMES.includes(name)) fail(`--against knows ${PEER_NAMES.join(', ')}, not ${name}`);
  return peers;
};
const roundsOf = (text: string | undefined): number => {
  const rounds = Number(text ?? (values.quick ? 1 : 3));
  return Number.isInteger(rounds) && rounds >= 1 && rounds <= 100 ? rounds : fail(`--rounds is 1 to 100, not ${text}`);
};

const one = async (into: Measurements, engine: Engine, bits: Bits, vps: number, w: Workload): Promise<void> => {
  const div = values.quick ? w.div * 4 : w.div;
  try {
    const markers = await measure(engine, bits, vps, `run=${w.name} div=${div}`, values.quick ? 60 : 180);
    for (const s of markers.skipped) into.note(w.name, `${engine.name}: ${s.reason}`);
    for (const r of markers.results) into.add(w.name, engine.name, r.seconds, r.checksum);
  } catch (error) {
    into.note(w.name, (error as Error).message.split('\n')[0]!);
  }
};

const runSuite = async (name: string, bits: Bits, peers: readonly string[]): Promise<{ result: BenchResult; engines: string[] }> => {
  const suite = suiteOf(name);
  const only = values.only?.split(',');
  const workloads = suite.workloads.filter((w) => !only || only.includes(w.name));
  if (workloads.length === 0) fail(`--only: no workload of suite ${name} is called ${values.only}`);
  const rounds = roundsOf(values.rounds);
  const engines = enginesOf(peers, bits, say);
  const measurements = new Measurements();
  for (let round = 0; round < rounds; round++)
    for (const w of workloads)
      for (const engine of engines) {
        if (!engine.runs(w.name) || (engine.name === 'v86' && suite.vps > 1)) continue;
        say(`\rround ${round + 1}/${rounds} ${w.name.padEnd(8)} ${engine.name.padEnd(12)}`);
        await one(measurements, engine, bits, suite.vps, w);
      }
  say('\r\x1b[K');
  const rows = workloads.map((w) => measurements.row(w.name, bits));
  const result = { suite: name, bits, rounds, rows, geomean: geomean(rows), geomeanHot: geomeanHot(rows) };
  return { result, engines: engines.map((engine) => engine.name) };
};

if (values.markdown && values.only !== undefined && !['policies', 'spin'].includes(values.suite))
  fail(`--markdown writes the tables of suite ${values.suite} whole: not with --only`);

if (values.markdown && values.suite === 'cpu') {
  const tables: string[] = [];
  for (const [suite, bits, peers] of [
    ['cpu', 32, ['v86', 'tcg', 'native']],
    ['cpu', 64, ['tcg', 'native']],
    ['fp', 32, ['v86', 'tcg', 'native']],
    ['smp', 64, ['tcg', 'native']],
  ] as const) {
    const { result, engines } = await runSuite(suite, bits, peers);
    tables.push(
      `Suite \`${suite}\`, ${bits}-bit guest, medians of ${result.rounds} round${result.rounds > 1 ? 's' : ''}:\n\n${asMarkdown(result, engines)}`,
    );
  }
  const scaling = await measureScaling(64, ['tcg', 'native'], roundsOf(values.rounds), values.quick, say);
  tables.push(`Suite \`scaling\`:\n\n\`\`\`\n${scalingText(scaling)}\n\`\`\``);
  const { measureDaemon, daemonText } = await import('./daemon-suite.js');
  tables.push(`Suite \`daemon\`, configs/machines/default.yaml:\n\n\`\`\`\n${daemonText(await measureDaemon(values.quick, say))}\n\`\`\``);
  const code = suiteOf('cpu').workloads.map((w) => measureCode(32, w));
  tables.push(`Suite \`code\`, 32-bit guest, bytes of the host's for each translated guest byte:\n\n\`\`\`\n${codeText(code)}\n\`\`\``);
  console.log(
    `written: ${writeTables(PROCESSOR_TABLES, [`${hostText()} Seconds are of the host's clock; ratios are the peer's seconds over hvd's (above 1: hvd is faster).`, ...tables])}`,
  );
} else if (values.suite === 'scaling') {
  const result = await measureScaling(bitsOf(values.bits), peersOf(values.against), roundsOf(values.rounds), values.quick, say);
  console.log(values.json ? JSON.stringify(result) : scalingText(result));
} else if (values.suite === 'scheduler') {
  const { measureScheduler, schedulerText } = await import('./scheduler-suite.js');
  const rows = measureScheduler(3 * roundsOf(values.rounds));
  console.log(values.json ? JSON.stringify(rows) : schedulerText(rows));
} else if (values.suite === 'daemon') {
  const { measureDaemon, daemonText } = await import('./daemon-suite.js');
  const result = await measureDaemon(values.quick, say);
  console.log(values.json ? JSON.stringify(result) : daemonText(result));
} else if (values.suite === 'code') {
  const only = values.only?.split(',');
  const workloads = suiteOf('cpu').workloads.filter((w) => !only || only.includes(w.name));
  const rows = workloads.map((w) => measureCode(bitsOf(values.bits), { name: w.name, div: w.div * (values.quick ? 4 : 1) }));
  console.log(values.json ? JSON.stringify(rows) : codeText(rows));
} else if (values.suite === 'vtlb') {
  const { measureVtlb, vtlbMarkdown } = await import('./vtlb-suite.js');
  const numbers = await measureVtlb(values.quick, say);
  if (values.markdown) console.log(`written: ${writeTables(VTLB_TABLES, [hostText(), vtlbMarkdown(numbers)])}`);
  else console.log(values.json ? JSON.stringify(numbers) : vtlbMarkdown(numbers));
} else if (values.suite === 'socket') {
  const { measureSocket, socketMarkdown } = await import('./socket-suite.js');
  const rows = await measureSocket(values.quick, say);
  if (values.markdown) console.log(`written: ${writeTables(SOCKET_TABLES, [hostText(), socketMarkdown(rows)])}`);
  else console.log(values.json ? JSON.stringify(rows) : socketMarkdown(rows));
} else if (values.suite === 'policies') {
  const { measurePolicies, mergedMarkdown, policyMarkdown } = await import('./policy-suite.js');
  const rows = await measurePolicies(values.only, say);
  if (rows.length === 0) fail(`--only: no experiment's name contains ${values.only}`);
  if (values.markdown) console.log(`written: ${writeTables(POLICY_TABLES, [mergedMarkdown(readTables(POLICY_TABLES), rows)])}`);
  else console.log(values.json ? JSON.stringify(rows) : policyMarkdown(rows));
} else if (values.suite === 'eoi') {
  const { measurePolicies, policyMarkdown } = await import('./policy-suite.js');
  const { EOI_EXPERIMENTS } = await import('./eoi-experiments.js');
  const { measureMessages, measurePassThrough, messagesMarkdown, passThroughMarkdown } = await import('./eoi-suite.js');
  const rows = await measurePolicies(values.only, say, EOI_EXPERIMENTS);
  const messages = values.only === undefined ? await measureMessages(say) : [];
  const passed = values.only === undefined ? await measurePassThrough(say) : [];
  const text = [
    policyMarkdown(rows),
    ...(messages.length === 0 ? [] : [messagesMarkdown(messages)]),
    ...(passed.length === 0 ? [] : [passThroughMarkdown(passed)]),
  ];
  if (values.markdown) console.log(`written: ${writeTables(EOI_TABLES, text)}`);
  else console.log(values.json ? JSON.stringify({ rows, messages, passed }) : text.join('\n\n'));
} else if (values.suite === 'spin') {
  const { costMarkdown, measureCost, measureSpin, mergedSpins, pairMarkdown } = await import('./spin-suite.js');
  const { measurePairs } = await import('./spin-pairs.js');
  const rows = await measureSpin(values.quick, values.only, say);
  // The tables of what is not measured this time stay as they are.
  const before = values.markdown ? readTables(SPIN_TABLES).trim().split('\n\n') : [];
  const isWhole = values.only === undefined;
  const pairs = isWhole ? await measurePairs() : [];
  const costs = isWhole ? await measureCost() : [];
  const text = [
    mergedSpins(before[0] ?? '', rows),
    isWhole ? pairMarkdown(pairs) : before[1],
    isWhole ? costMarkdown(costs) : before[2],
  ].filter((table) => table !== undefined);
  if (values.markdown) console.log(`written: ${writeTables(SPIN_TABLES, text)}`);
  else console.log(values.json ? JSON.stringify({ rows, pairs, costs }) : text.join('\n\n'));
} else if (values.suite === 'synic') {
  const { measureSynic, synicMarkdown } = await import('./synic-suite.js');
  const numbers = await measureSynic(say);
  if (values.markdown) console.log(`written: ${writeTables(SYNIC_TABLES, [hostText(), synicMarkdown(numbers)])}`);
  else console.log(values.json ? JSON.stringify(numbers) : synicMarkdown(numbers));
} else if (values.suite === 'hvtop') {
  const { hvtopText, measureHvtop } = await import('./hvtop-suite.js');
  const result = await measureHvtop(values.quick, say);
  console.log(values.json ? JSON.stringify(result) : hvtopText(result));
} else if (values.suite === 'record') {
  const { measureRecording, recordingText } = await import('./record-suite.js');
  const rows = await measureRecording(roundsOf(values.rounds));
  console.log(values.json ? JSON.stringify(rows) : recordingText(rows));
} else if (values.suite === 'world') {
  const { measureWorld, worldMarkdown } = await import('./world-suite.js');
  const numbers = await measureWorld(values.quick, say);
  if (values.markdown) console.log(`written: ${writeTables(WORLD_TABLES, [hostText(), worldMarkdown(numbers)])}`);
  else console.log(values.json ? JSON.stringify(numbers) : worldMarkdown(numbers));
} else {
  const { result, engines } = await runSuite(values.suite, bitsOf(values.bits), peersOf(values.against));
  console.log(values.json ? JSON.stringify(result) : asText(result, engines));
}
