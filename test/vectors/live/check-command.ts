// The command line of check.mjs: what to run, progress, and failures with the command that replays them.
import { parseArgs } from 'node:util';
import { check } from './check.js';
import { type HostProcessor, hostProcessor } from './host-processor.js';
import type { Bits } from './layout.js';
import { replay } from './replay.js';
import { checkSequences, type SequenceSubject, SUBJECTS } from './sequence-check.js';

const print = (text: string): void => void process.stdout.write(`${text}\n`);

const run = (
  host: HostProcessor,
  cases: number,
  seed: number,
  modes: readonly Bits[],
  only: RegExp | undefined,
  aligned: boolean,
): number => {
  let failed = 0;
  for (const bits of modes) {
    const began = performance.now();
    let shown = began;
    const result = check(host, {
      bits,
      seed,
      aligned,
      cases: Math.ceil(cases / modes.length),
      ...(only === undefined ? {} : { only }),
      onProgress: (done, wrong) => {
        if (performance.now() - shown < 5000) return;
        shown = performance.now();
        print(`${bits}-bit: ${done} cases, ${wrong} mismatches, ${Math.round((done * 1000) / (shown - began))} a second`);
      },
    });
    const seconds = (performance.now() - began) / 1000;
    print(
      `${bits}-bit: ${result.cases} cases of ${result.forms} forms in both tiers, ${result.mismatches.length} mismatches, ${seconds.toFixed(1)} s`,
    );
    for (const m of result.mismatches) print(`  ${m.form} (${m.way}): ${m.what}\n    node test/vectors/check.mjs --replay '${m.line}'`);
    failed += result.mismatches.length;
  }
  return failed;
};

const runSequences = (host: HostProcessor, subject: SequenceSubject, cases: number, seed: number, modes: readonly Bits[]): number => {
  let failed = 0;
  for (const bits of modes) {
    const began = performance.now();
    const result = checkSequences(host, { subject, bits, seed, cases: Math.ceil(cases / modes.length) });
    const seconds = (performance.now() - began) / 1000;
    const ends = [...result.ends].map(([vector, count]) => `${count} by vector ${vector}`).join(', ');
    print(
      `${bits}-bit: ${result.cases} sequences of ${subject}, ${result.mismatches.length} mismatches, ${seconds.toFixed(1)} s; ended ${ends}`,
    );
    for (const m of result.mismatches) print(`  ${m.way}: ${m.what}\n    node test/vectors/check.mjs --replay '${m.line}'`);
    failed += result.mismatches.length;
  }
  return failed;
};

/** Returns the exit status: 0 all equal, 1 mismatches, 2 the host cannot be asked. */
export const checkCommand = (args: string[]): number => {
  const { values } = parseArgs({
    args,
    options: {
      cases: { type: 'string', default: '500000' },
      seed: { type: 'string', default: '1' },
      modes: { type: 'string', default: '64,32,16' },
      only: { type: 'string' },
      sequences: { type: 'string' },
      aligned: { type: 'boolean', default: false },
      replay: { type: 'string' },
    },
  });
  const host = hostProcessor();
  if (values.replay !== undefined) {
    const lines = replay(typeof host === 'string' ? undefined : host, values.replay);
    for (const line of lines.report) print(line);
    return lines.equal ? 0 : 1;
  }
  if (typeof host === 'string') {
    print(`cannot check: ${host}`);
    return 2;
  }
  const modes = values.modes.split(',').map(Number) as Bits[];
  const [cases, seed] = [Number(values.cases), Number(values.seed)];
  if (values.sequences !== undefined) {
    if (!Object.hasOwn(SUBJECTS, values.sequences)) {
      print(`no such sequences: ${values.sequences}; there are ${Object.keys(SUBJECTS).join(' and ')}`);
      return 2;
    }
    return runSequences(host, values.sequences as SequenceSubject, cases, seed, modes) > 0 ? 1 : 0;
  }
  const only = values.only === undefined ? undefined : new RegExp(values.only);
  return run(host, cases, seed, modes, only, values.aligned) > 0 ? 1 : 0;
};
