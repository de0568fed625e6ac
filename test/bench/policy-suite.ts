// `npm run bench -- --suite policies`: what each setting of a vTLB policy does for a guest that it helps, and costs one that it does not.
// Guests run under the deterministic clock and numbers are virtual cycles and counts, so that the same table comes out twice, however many cores the host has.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../../daemon/root/package-root.js';
import { EXPERIMENTS, type Experiment, type RunReport } from './policy-experiments.js';

export interface PolicyRow {
  readonly experiment: Experiment;
  /** By setting, in the experiment's order. */
  readonly values: readonly { readonly setting: string; readonly value: number }[];
}

const PROGRAM = join(packageRoot(), 'dist/daemon/cli/hvd.js');

/** Arguments of `hvd run` that reproduce one number. */
export const commandOf = ({ guest }: Pick<Experiment, 'guest'>, setting: string): string[] => [
  'run',
  guest.image,
  ...(guest.hv === undefined ? [] : ['--hv', guest.hv]),
  ...(guest.quantumCycles === undefined ? [] : ['--quantum-cycles', String(guest.quantumCycles)]),
  ...(guest.nodes === undefined ? [] : ['--nodes', String(guest.nodes)]),
  ...['--vps', String(guest.vps), '--lps', String(guest.lps ?? guest.vps), '--memory', '64M', '--clock', 'deterministic', '--json'],
  ...['--policy', ...setting.split(' '), '--append', guest.append],
];

/** Runs each of the experiments whose name contains `only`. Rejects when a guest does not end well. */
export const measurePolicies = async (
  only: string | undefined,
  say: (text: string) => void,
  experiments: readonly Experiment[] = EXPERIMENTS,
): Promise<PolicyRow[]> => {
  const rows: PolicyRow[] = [];
  /** By command line: several numbers can be read from one run. */
  const reports = new Map<string, RunReport>();
  for (const experiment of experiments) {
    if (only !== undefined && !experiment.name.includes(only)) continue;
    const values: { setting: string; value: number }[] = [];
    for (const setting of experiment.settings) {
      say(`\r${experiment.name.padEnd(40)} ${setting.padEnd(24)}`);
      const command = commandOf(experiment, setting);
      const report = reports.get(command.join(' ')) ?? (await runGuest(command));
      reports.set(command.join(' '), report);
      values.push({ setting, value: experiment.measure(report) });
    }
    rows.push({ experiment, values });
  }
  say('\r\x1b[K');
  return rows;
};

/** Rejects when the guest does not end well. */
export const runGuest = (args: readonly string[]): Promise<RunReport> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let errors = '';
    child.stdout.on('data', (data: Buffer) => {
      output += data.toString();
    });
    child.stderr.on('data', (data: Buffer) => {
      errors = (errors + data.toString()).slice(-2000);
    });
    child.on('error', reject);
    child.on('close', (status) => {
      if (status === 0) resolve(JSON.parse(output) as RunReport);
      else reject(new Error(`hvd ${args.join(' ')}: status ${status}: ${errors.trim()}`));
    });
  });

const number = (value: number): string => (Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3));

const HEAD = ['| workload | measured | setting | | against the first | bar |', '| --- | --- | --- | ---: | ---: | --- |'];
/** Between an experiment's name and how its guest is run. */
const BREAK = '<br>';

/** The first setting is the baseline that the others are compared with. */
export const policyMarkdown = (rows: readonly PolicyRow[]): string => [...HEAD, ...rows.flatMap(linesOf)].join('\n');

/** A table that was written before, with the rows in place of what it says of their experiments. Experiments that there are no more are left out. */
export const mergedMarkdown = (table: string, rows: readonly PolicyRow[], experiments: readonly Experiment[] = EXPERIMENTS): string => {
  const known = new Map<string, string[]>();
  let lines: string[] = [];
  for (const line of table.split('\n').filter((text) => text.startsWith('| ') && !HEAD.includes(text))) {
    if (line.includes(BREAK)) {
      lines = [];
      known.set(line.slice(2, line.indexOf(BREAK)), lines);
    }
    lines.push(line);
  }
  for (const row of rows) known.set(row.experiment.name, linesOf(row));
  return [...HEAD, ...experiments.flatMap(({ name }) => known.get(name) ?? [])].join('\n');
};

const linesOf = ({ experiment, values }: PolicyRow): string[] =>
  values.map(({ setting, value }, i) => {
    const { append, vps, lps = vps, nodes } = experiment.guest;
    const base = values[0]!.value;
    const ratio = i === 0 || base === 0 ? '' : `${(value / base).toPrecision(3)} ×`;
    const machine = `${vps} VPs on ${lps} LPs${nodes === undefined ? '' : ` of ${nodes} nodes`}`;
    const [name, what] = i === 0 ? [`${experiment.name}${BREAK}\`${append}\`, ${machine}`, experiment.unit] : ['', ''];
    return `| ${name} | ${what} | \`${setting}\` | ${number(value)} | ${ratio} | ${i === values.length - 1 ? (experiment.bar ?? '') : ''} |`;
  });
