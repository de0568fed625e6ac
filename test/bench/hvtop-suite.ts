// `npm run bench -- --suite hvtop`: what clients that watch cost the LPs. VPs that compute, two for each LP, with nobody and with ten clients that have subscribed as hvtop does, in turn.
// What counts is what an LP gets done in a second of its thread's own CPU time: others on the host take time from LPs whoever they are.
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { packageRoot } from '../../daemon/root/package-root.js';
import { connect, type HvdClient } from '../../shared/client/client.js';

export interface HvtopResult {
  readonly clients: number;
  readonly rounds: number;
  /** Median of the rounds' ratios: guest instructions in a CPU second of the LPs, with clients to without. */
  readonly ratio: number;
  /** The rounds' ratios, in order of size. */
  readonly ratios: readonly number[];
  /** Per cent of a core that root takes, without and with clients. */
  readonly rootAlone: number;
  readonly rootWatched: number;
}

const CLIENTS = 10;
const HZ = 2;
const START_LIMIT_MS = 60_000;
const END_LIMIT_MS = 10_000;
const TICKS_PER_SECOND = 100;
const program = join(packageRoot(), 'dist/daemon/cli/hvd.js');
/** Work that is the same at every moment: an instruction of a guest that waits for another one's is no measure. */
const MACHINE = `lps: 2
pin: false
partitions:
  - { name: a, image: workload64, vps: 2, memory: 16M, load: { job: compute } }
  - { name: b, image: workload64, vps: 2, memory: 16M, load: { job: compute } }
`;

export const measureHvtop = async (quick: boolean, say: (text: string) => void): Promise<HvtopResult> => {
  const [rounds, seconds] = quick ? [3, 1] : [11, 4];
  const folder = mkdtempSync(join(tmpdir(), 'hvd-bench-hvtop-'));
  const [socket, machine] = [join(folder, 'hvd.sock'), join(folder, 'machine.yaml')];
  writeFileSync(machine, MACHINE);
  const daemon = spawn(process.execPath, [program, 'start', '--machine', machine, '--socket', socket], { stdio: 'ignore' });
  // Listened for from the start: one that has ended before it is told to would be waited for for ever.
  const gone = new Promise((resolve) => daemon.once('exit', resolve));
  try {
    const hvd = await connected(socket, () => daemon.exitCode === null);
    await allWork(hvd);
    say(`measuring for some ${rounds * 2 * (seconds + 1)} s\n`);
    const taken: { alone: Taken; watched: Taken }[] = [];
    for (let round = 0; round < rounds; round++) {
      // In turn first: what drifts is in both.
      const both: { alone?: Taken; watched?: Taken } = {};
      for (const watched of round % 2 === 0 ? [false, true] : [true, false])
        both[watched ? 'watched' : 'alone'] = await measure(hvd, daemon.pid!, socket, watched ? CLIENTS : 0, seconds);
      taken.push(both as { alone: Taken; watched: Taken });
    }
    const ratios = taken.map(({ alone, watched }) => watched.speed / alone.speed).toSorted((a, b) => a - b);
    const root = (which: 'alone' | 'watched'): number => median(taken.map((one) => one[which].root));
    await hvd.close();
    return { clients: CLIENTS, rounds, ratio: median(ratios), ratios, rootAlone: root('alone'), rootWatched: root('watched') };
  } finally {
    daemon.kill('SIGTERM');
    await Promise.race([gone, sleep(END_LIMIT_MS, undefined, { ref: false })]);
    daemon.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
};

export const hvtopText = ({ clients, rounds, ratio, ratios, rootAlone, rootWatched }: HvtopResult): string =>
  [
    `LPs, instructions in a CPU second, ${clients} clients to none   ${ratio.toFixed(4)} (median of ${rounds}, ${ratios[0]!.toFixed(4)} to ${ratios.at(-1)!.toFixed(4)})`,
    `root, CPU                                                ${rootAlone.toFixed(1)} % of a core without, ${rootWatched.toFixed(1)} % with`,
  ].join('\n');

interface Taken {
  /** Instructions in a CPU second of the LPs. */
  readonly speed: number;
  /** Per cent of a core. */
  readonly root: number;
}

const measure = async (hvd: HvdClient, pid: number, socket: string, clients: number, seconds: number): Promise<Taken> => {
  const watchers = await Promise.all(Array.from({ length: clients }, () => connect({ socket })));
  try {
    for (const watcher of watchers) await watcher.request('subscribe', { stats: HZ, events: true, log: true });
    // Until what began with it is over.
    await sleep(1000);
    const before = { ...ticksOf(pid), instructions: await instructionsOf(hvd), at: performance.now() };
    await sleep(seconds * 1000);
    const now = { ...ticksOf(pid), instructions: await instructionsOf(hvd), at: performance.now() };
    const share = (ticks: number): number => ticks / TICKS_PER_SECOND / ((now.at - before.at) / 1000);
    return {
      speed: (now.instructions - before.instructions) / ((now.others - before.others) / TICKS_PER_SECOND),
      root: 100 * share(now.main - before.main),
    };
  } finally {
    for (const watcher of watchers) await watcher.close();
  }
};

const instructionsOf = async (hvd: HvdClient): Promise<number> =>
  (await hvd.request('stats', {})).partitions.reduce((sum, { vps }) => sum + vps.reduce((total, vp) => total + vp.instructions, 0), 0);

/** User and system time of the main thread, and of all others, which are LPs but for little (proc(5), task/stat: fields 14 and 15). */
const ticksOf = (pid: number): { readonly main: number; readonly others: number } => {
  let [main, others] = [0, 0];
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const fields = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'latin1').split(') ')[1]!.split(' ');
    const ticks = Number(fields[11]) + Number(fields[12]);
    if (Number(thread) === pid) main = ticks;
    else others += ticks;
  }
  return { main, others };
};

const connected = async (socket: string, isThere: () => boolean): Promise<HvdClient> => {
  for (const end = performance.now() + START_LIMIT_MS; ; await sleep(10)) {
    try {
      return await connect({ socket });
    } catch (error) {
      if (!isThere() || performance.now() > end) throw error;
    }
  }
};

const allWork = async (hvd: HvdClient): Promise<void> => {
  for (const end = performance.now() + START_LIMIT_MS; ; await sleep(10)) {
    const { partitions } = await hvd.request('stats', {});
    if (partitions.length > 0 && partitions.every(({ load }) => load.some((job) => job.operations > 0))) return;
    if (performance.now() > end) throw new Error('not every guest came to work');
  }
};

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;
