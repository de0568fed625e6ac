// The command line of fuzz.mjs: how many programs, progress, failures made small with the command that replays them.
import { parseArgs } from 'node:util';
import { fuzz } from './fuzz.js';
import { hostProcessor } from './host-processor.js';
import { BITS, type Bits } from './layout.js';
import { recorded, replay } from './replay.js';

/** One program in so many is run as regions, too, unless told otherwise: a fifth of the time goes there. */
const REGIONS_OF = 20;

const print = (text: string): void => void process.stdout.write(`${text}\n`);

/** Returns the exit status: 0 all equal, 1 mismatches. Without a host's processor the three ways are compared with each other. */
export const fuzzCommand = (args: string[]): number => {
  const { values } = parseArgs({
    args,
    options: {
      programs: { type: 'string', default: '10000' },
      seed: { type: 'string', default: '1' },
      modes: { type: 'string', default: BITS.join() },
      'regions-of': { type: 'string', default: String(REGIONS_OF) },
      replay: { type: 'string' },
      record: { type: 'string' },
      'no-host': { type: 'boolean', default: false },
    },
  });
  const found = values['no-host'] ? 'not wanted' : hostProcessor();
  const host = typeof found === 'string' ? undefined : found;
  if (values.record !== undefined && host !== undefined) {
    print(recorded(host, values.record));
    return 0;
  }
  if (values.replay !== undefined) {
    const { report, equal } = replay(host, values.replay);
    for (const line of report) print(line);
    return equal ? 0 : 1;
  }
  if (typeof found === 'string') print(`the three ways are compared with each other only: ${found}`);
  const modes = values.modes.split(',').map(Number) as Bits[];
  let failed = 0;
  for (const bits of modes) {
    const began = performance.now();
    let shown = began;
    const result = fuzz({
      bits,
      seed: Number(values.seed),
      programs: Math.ceil(Number(values.programs) / modes.length),
      regionsOf: Number(values['regions-of']),
      host,
      onProgress: (done, wrong) => {
        if (performance.now() - shown < 5000) return;
        shown = performance.now();
        print(`${bits}-bit: ${done} programs, ${wrong} mismatches, ${Math.round((done * 1000) / (shown - began))} a second`);
      },
    });
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    print(
      `${bits}-bit: ${result.programs} programs, ${result.regions} of them as regions, ${result.completed} runs without a fault, ${result.mismatches.length} mismatches, ${seconds} s`,
    );
    for (const m of result.mismatches) print(`  ${m.what}\n    node test/vectors/fuzz.mjs --replay '${m.line}'`);
    failed += result.mismatches.length;
  }
  return failed > 0 ? 1 : 0;
};
