// `npm run bench -- --suite scaling`: what two processors on two LPs do in the time of one: the same loop on one (crc) and on each of two (pcrc), in turn.
// Why the bare processor beside it: on a host whose second core is busy nothing reaches 2; its row says what this host had to give.
// Why two lengths: while a translator is still compiling, its compiler wants the second core too. The short loop has that in it, in the long one it is little.
import { loadavg } from 'node:os';
import { type Bits, type Engine, enginesOf, measure } from './engine.js';
import { median } from './table.js';

export interface ScalingRow {
  readonly engine: string;
  /** Times over which the loop goes through its data. */
  readonly length: number;
  /** Megabytes a second: medians. */
  readonly one: number;
  readonly two: number;
  /** Median of the rounds' ratios: what came between two rounds does not count. */
  readonly ratio: number;
}
export interface Scaling {
  readonly bits: Bits;
  readonly rounds: number;
  readonly load: number;
  readonly rows: readonly ScalingRow[];
}

const LIMIT_S = 180;
const ROUNDS_QUICK = 1;
/** Some 1.5 and 4.5 seconds of hvd on one processor. */
const LENGTHS = [1, 3];

const rate = async (engine: Engine, bits: Bits, vps: number, workload: string, amount: string): Promise<number> => {
  const { results } = await measure(engine, bits, vps, `run=${workload} ${amount}`, LIMIT_S);
  const [result] = results;
  if (result === undefined) throw new Error(`${engine.name} skipped ${workload}`);
  return result.operations / result.seconds / 1e6;
};

/** v86 has one processor and is left out. */
export const measureScaling = async (
  bits: Bits,
  peers: readonly string[],
  rounds: number,
  quick: boolean,
  say: (text: string) => void,
): Promise<Scaling> => {
  const engines = enginesOf(
    peers.filter((peer) => peer !== 'v86'),
    bits,
    say,
  );
  const series = engines.flatMap((engine) => LENGTHS.map((length) => ({ engine, length, one: [] as number[], two: [] as number[] })));
  const count = quick ? ROUNDS_QUICK : rounds;
  for (let round = 0; round < count; round++)
    for (const { engine, length, one, two } of series) {
      say(`\rround ${round + 1}/${count} ${engine.name.padEnd(12)} x ${length}`);
      const amount = quick ? `mul=${length} div=4` : `mul=${length}`;
      one.push(await rate(engine, bits, 1, 'crc', amount));
      two.push(await rate(engine, bits, 2, 'pcrc', amount));
    }
  say('\r\x1b[K');
  const rows = series.map(({ engine, length, one, two }) => ({
    engine: engine.name,
    length,
    one: median(one),
    two: median(two),
    ratio: median(two.map((value, round) => value / one[round])),
  }));
  return { bits, rounds: count, load: loadavg()[0], rows };
};

export const scalingText = ({ bits, rounds, load, rows }: Scaling): string =>
  [
    `two processors over one, ${bits}-bit guest, MB/s of crc, medians of ${rounds} round${rounds > 1 ? 's' : ''}, load average ${load.toFixed(1)}`,
    ...rows.map(
      (r) =>
        `${r.engine.padEnd(12)} x ${r.length}   one ${r.one.toFixed(0).padStart(5)}   two ${r.two.toFixed(0).padStart(5)}   ${r.ratio.toFixed(2)} x`,
    ),
  ].join('\n');
