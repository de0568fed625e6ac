// `npm run bench -- --suite daemon`: what the daemon costs its host. Start-up until every guest of the default machine works, CPU while its guests are idle,
// resident memory against what was touched, and hvtop's CPU in a real terminal.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { packageRoot } from '../../daemon/root/package-root.js';
import { connect, type HvdClient } from '../../shared/client/client.js';
import { PartitionMap } from '../../shared/layout/partition.js';

export interface DaemonResult {
  /** From the start of the process to the first operation of the last partition's job, milliseconds. */
  readonly startupMs: number;
  /** Per cent of one core. */
  readonly idleCpu: number;
  readonly busyCpu: number;
  readonly rssMiB: number;
  /** The highest that it ever was. */
  readonly peakMiB: number;
  /** Resident pages of guests' RAM: their partitions' tables and translations are the daemon's own. */
  readonly touchedMiB: number;
  /** touched + 150 MiB + 40 MiB for each LP's worker. */
  readonly boundMiB: number;
  readonly workers: number;
  /** Per cent of one core, beside a busy daemon; null without tmux. */
  readonly hvtopCpu: number | null;
}

const START_LIMIT_MS = 60_000;
const BASE_MIB = 150;
const WORKER_MIB = 40;
/** Mappings at least this large are partitions' memories: nothing else reserves as much. */
const PARTITION_MAPPING = PartitionMap.RAM;
const TICKS_PER_SECOND = 100;
const PAGE = 4096;

const MACHINE = join(packageRoot(), 'configs/machines/default.yaml');
const program = (name: string): string => join(packageRoot(), 'dist', name);

export const measureDaemon = async (quick: boolean, say: (text: string) => void): Promise<DaemonResult> => {
  const seconds = quick ? 2 : 8;
  const socket = join(tmpdir(), `hvd-bench-${process.pid}.sock`);
  const startedAt = performance.now();
  const arguments_ = [program('daemon/cli/hvd.js'), 'start', '--machine', MACHINE, '--socket', socket];
  const daemon = spawn(process.execPath, arguments_, { stdio: 'ignore' });
  try {
    const hvd = await connected(socket, daemon);
    await allWork(hvd);
    const startupMs = Math.round(performance.now() - startedAt);
    say(`up after ${startupMs} ms; measuring for some ${seconds * 3} s\n`);
    const pid = daemon.pid!;
    const busyCpu = await cpuOf(pid, seconds);
    const hvtopCpu = await hvtop(socket, seconds);
    const { partitions, lps } = await hvd.request('stats', {});
    for (const { name } of partitions) await hvd.request('load.stop', { name });
    await sleep(1000);
    const idleCpu = await cpuOf(pid, seconds);
    const memory = memoryOf(pid);
    const boundMiB = memory.touchedMiB + BASE_MIB + WORKER_MIB * lps.length;
    await hvd.close();
    return { startupMs, idleCpu, busyCpu, ...memory, boundMiB, workers: lps.length, hvtopCpu };
  } finally {
    await ended(daemon);
    rmSync(socket, { force: true });
  }
};

export const daemonText = (r: DaemonResult): string =>
  [
    `start until every guest works   ${r.startupMs} ms`,
    `CPU, guests idle                ${r.idleCpu.toFixed(1)} % of a core`,
    `CPU, guests busy                ${r.busyCpu.toFixed(1)} %`,
    `resident memory                 ${r.rssMiB} MiB, at most ${r.peakMiB}; bound: RAM touched ${r.touchedMiB} + ${BASE_MIB} + ${WORKER_MIB} x ${r.workers} workers = ${r.boundMiB} MiB`,
    `hvtop, CPU                      ${r.hvtopCpu === null ? 'not measured: tmux is not installed' : `${r.hvtopCpu.toFixed(1)} %`}`,
  ].join('\n');

const connected = async (socket: string, daemon: ChildProcess): Promise<HvdClient> => {
  for (const end = performance.now() + START_LIMIT_MS; ; await sleep(10)) {
    try {
      return await connect({ socket });
    } catch (error) {
      if (performance.now() > end || daemon.exitCode !== null) throw error;
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

/** User and system time, in clock ticks (proc(5), stat: fields 14 and 15). */
const ticksOf = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.split(' ');
  return Number(fields[11]) + Number(fields[12]);
};
const cpuOf = async (pid: number, seconds: number): Promise<number> => {
  const before = ticksOf(pid);
  const at = performance.now();
  await sleep(seconds * 1000);
  return ((ticksOf(pid) - before) / TICKS_PER_SECOND / ((performance.now() - at) / 1000)) * 100;
};

const memoryOf = (pid: number): Pick<DaemonResult, 'rssMiB' | 'peakMiB' | 'touchedMiB'> => {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  const mib = (field: string): number => Math.round(Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)![1]) / 1024);
  return { rssMiB: mib('VmRSS'), peakMiB: mib('VmHWM'), touchedMiB: Math.round((guestPages(pid) * PAGE) / 2 ** 20) };
};

/** Present pages of guests' RAM (proc(5), pagemap: 8 bytes a page, bit 63). */
const guestPages = (pid: number): number => {
  let present = 0;
  const pagemap = openSync(`/proc/${pid}/pagemap`, 'r');
  for (const line of readFileSync(`/proc/${pid}/maps`, 'latin1').split('\n')) {
    const [start, end] = line
      .split(' ', 1)[0]!
      .split('-')
      .map((address) => Number.parseInt(address, 16));
    if (!line.includes(' rw') || end - start < PARTITION_MAPPING) continue;
    const entries = Buffer.alloc(((end - start - PartitionMap.RAM) / PAGE) * 8);
    readSync(pagemap, entries, 0, entries.length, ((start + PartitionMap.RAM) / PAGE) * 8);
    for (let at = 7; at < entries.length; at += 8) present += entries[at] >>> 7;
  }
  closeSync(pagemap);
  return present;
};

const hvtop = async (socket: string, seconds: number): Promise<number | null> => {
  if (spawnSync('tmux', ['-V']).status !== 0) return null;
  const server = `hvd-bench-${process.pid}`;
  const tmux = (...flags: readonly string[]): string => spawnSync('tmux', ['-L', server, ...flags], { encoding: 'utf8' }).stdout;
  const command = `${process.execPath} ${program('tui/hvtop.js')} --socket ${socket}`;
  tmux('-f', '/dev/null', 'new-session', '-d', '-x', '140', '-y', '45', `exec ${command}`);
  try {
    await sleep(3000);
    const pid = Number(tmux('list-panes', '-F', '#{pane_pid}'));
    return await cpuOf(pid, seconds);
  } finally {
    tmux('kill-server');
  }
};

const ended = async (child: ChildProcess): Promise<void> => {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  if (child.exitCode !== null) return;
  child.kill('SIGTERM');
  await Promise.race([gone, sleep(10_000, undefined, { ref: false })]);
  child.kill('SIGKILL');
};
