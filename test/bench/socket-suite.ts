// `npm run bench -- --suite socket`: what the control socket does. A daemon of its own in another process, raw clients here, so that the client's part is small.
// Rates and times are the host's; LPs are busy with guests in the rows that say so.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { packageRoot } from '../../daemon/root/package-root.js';
import { connect } from '../../shared/client/client.js';
import { encodeFrame, FrameReader } from '../../shared/protocol/frames.js';
import { PROTOCOL_VERSION } from '../../shared/protocol/messages.js';

export interface SocketRow {
  readonly what: string;
  readonly value: string;
  readonly bar: string;
}

const HVD = join(packageRoot(), 'dist/daemon/cli/hvd.js');
const START_LIMIT_MS = 120_000;
/** Requests of a pipelining client that are under way. */
const WINDOW = 256;
const CONNECTIONS = 1000;
/** Frames of statistics for so long before they are measured: V8 has compiled then what makes them, ms. */
const WARM_UP_MS = 12_000;

const BUSY = `lps: 2
partitions:
  - { name: a, image: workload64, vps: 2, memory: 64M, load: { job: spinlock } }
  - { name: b, image: workload64, vps: 2, memory: 64M, load: { job: pagechurn } }
`;
const IDLE = 'lps: 2\n';
/** 64 LPs and 128 VPs whose guests have nothing to do: what remains is root's own time. */
const LARGE = `lps: 64
pin: false
partitions:
  - { name: a, image: workload64, vps: 64, memory: 64M, load: { job: idle } }
  - { name: b, image: workload64, vps: 64, memory: 64M, load: { job: idle } }
`;

interface Running {
  readonly socket: string;
  readonly pid: number;
  readonly end: () => Promise<void>;
}

const daemonOf = async (machine: string): Promise<Running> => {
  const folder = mkdtempSync(join(tmpdir(), 'hvd-bench-'));
  const file = join(folder, 'machine.yaml');
  const socket = join(folder, 'hvd.sock');
  writeFileSync(file, machine);
  const child = spawn(process.execPath, [HVD, 'start', '--machine', file, '--socket', socket], { stdio: 'ignore' });
  for (const limit = performance.now() + START_LIMIT_MS; ; await sleep(50)) {
    try {
      await (await connect({ socket })).close();
      break;
    } catch (error) {
      if (child.exitCode !== null || performance.now() > limit) throw error;
    }
  }
  return { socket, pid: child.pid!, end: () => ended(child, folder) };
};
const ended = async (child: ChildProcess, folder: string): Promise<void> => {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await Promise.race([gone, sleep(10_000, undefined, { ref: false })]);
  child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
};

/** A client without the conveniences of shared/client: frames that are made beforehand, answers that are counted. */
class RawClient {
  readonly socket: Socket;
  readonly #reader = new FrameReader();
  onFrame: (frame: { id?: number; ev?: string }) => void = () => {};

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      for (const frame of this.#reader.take(chunk)) this.onFrame(frame as { id?: number });
    });
    socket.on('error', () => {});
  }
  static async open(path: string): Promise<RawClient> {
    const socket = createConnection(path);
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    const client = new RawClient(socket);
    await client.ask('hello', { version: PROTOCOL_VERSION });
    return client;
  }
  ask(m: string, p: object): Promise<object> {
    return new Promise((resolve) => {
      this.onFrame = (frame) => {
        if (frame.ev === undefined) resolve(frame);
      };
      this.socket.write(encodeFrame({ id: 1, m, p }));
    });
  }
}

const SMALL = { m: 'policy.get', p: { name: 'vtlb.lock' } } as const;

/** Requests a second with WINDOW of them under way. */
const pipelined = async (path: string, seconds: number): Promise<number> => {
  const client = await RawClient.open(path);
  const batch = Buffer.concat(Array.from({ length: WINDOW / 2 }, (_, id) => encodeFrame({ id, ...SMALL })));
  let answers = 0;
  const startedAt = performance.now();
  const end = startedAt + seconds * 1000;
  await new Promise<void>((resolve) => {
    client.onFrame = () => {
      answers++;
      if (answers % (WINDOW / 2) !== 0) return;
      if (performance.now() < end) client.socket.write(batch);
      else resolve();
    };
    client.socket.write(batch);
    client.socket.write(batch);
  });
  const rate = answers / ((performance.now() - startedAt) / 1000);
  client.socket.destroy();
  return rate;
};

/** Round trips of single requests, ms, sorted: one every 5 ms. */
const roundTrips = async (path: string, seconds: number): Promise<number[]> => {
  const client = await RawClient.open(path);
  const times: number[] = [];
  for (const end = performance.now() + seconds * 1000; performance.now() < end; await sleep(5)) {
    const at = performance.now();
    await client.ask(SMALL.m, SMALL.p);
    times.push(performance.now() - at);
  }
  client.socket.destroy();
  return times.sort((a, b) => a - b);
};
const at = (sorted: readonly number[], share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
const latencyText = (sorted: readonly number[]): string => `${at(sorted, 0.5).toFixed(2)} ms, p99 ${at(sorted, 0.99).toFixed(2)} ms`;

/** CPU time of the process's main thread, ms (proc(5), schedstat: nanoseconds on a core). */
const rootMs = (pid: number): number => Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'latin1').split(' ')[0]) / 1e6;
const rssMiB = (pid: number): number => Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))![1]) / 1024;

const requestRows = async (seconds: number): Promise<SocketRow[]> => {
  const rows: SocketRow[] = [];
  for (const [machine, lps] of [
    [IDLE, 'LPs idle'],
    [BUSY, 'LPs run guests'],
  ] as const) {
    const daemon = await daemonOf(machine);
    try {
      await pipelined(daemon.socket, 1);
      const before = rootMs(daemon.pid);
      const rate = await pipelined(daemon.socket, seconds);
      const cost = ((rootMs(daemon.pid) - before) * 1000) / (rate * seconds);
      rows.push({
        what: `requests on one connection, ${WINDOW} under way, ${lps}`,
        value: `${Math.round(rate).toLocaleString('en')}/s, ${cost.toFixed(1)} µs of root's each`,
        bar: '≥ 50,000/s',
      });
      rows.push({ what: `one request at a time, ${lps}`, value: latencyText(await roundTrips(daemon.socket, seconds)), bar: 'p99 < 5 ms' });
      const [flood, trips] = await Promise.all([pipelined(daemon.socket, seconds), roundTrips(daemon.socket, seconds)]);
      rows.push({
        what: `the same beside a client that pipelines (${Math.round(flood).toLocaleString('en')}/s), ${lps}`,
        value: latencyText(trips),
        bar: 'p99 < 5 ms',
      });
    } finally {
      await daemon.end();
    }
  }
  return rows;
};

const connectionRows = async (seconds: number): Promise<SocketRow[]> => {
  const daemon = await daemonOf(IDLE);
  try {
    const before = rssMiB(daemon.pid);
    const startedAt = performance.now();
    const clients: RawClient[] = [];
    while (clients.length < CONNECTIONS) clients.push(await RawClient.open(daemon.socket));
    const openMs = performance.now() - startedAt;
    const askedAt = performance.now();
    const answers = await Promise.all(clients.map((client) => client.ask(SMALL.m, SMALL.p)));
    const askMs = performance.now() - askedAt;
    const each = ((rssMiB(daemon.pid) - before) * 1024) / CONNECTIONS;
    const trips = await roundTrips(daemon.socket, seconds);
    for (const client of clients) client.socket.destroy();
    return [
      {
        what: `${answers.length} connections`,
        value: `opened in ${Math.round(openMs)} ms, each asked once in ${Math.round(askMs)} ms, ${each.toFixed(0)} KiB each; another one's request ${latencyText(trips)}`,
        bar: '1,000',
      },
    ];
  } finally {
    await daemon.end();
  }
};

const slowReaderRows = async (seconds: number): Promise<SocketRow[]> => {
  const daemon = await daemonOf(BUSY);
  try {
    const alone = await roundTrips(daemon.socket, seconds);
    const before = rssMiB(daemon.pid);
    const slow = await RawClient.open(daemon.socket);
    slow.socket.pause();
    slow.socket.write(encodeFrame({ id: 2, m: 'subscribe', p: { stats: 20, events: true } }));
    const asks = Buffer.concat(Array.from({ length: 1000 }, (_, id) => encodeFrame({ id, m: 'stats', p: {} })));
    for (let i = 0; i < 20; i++) slow.socket.write(asks);
    const beside = await roundTrips(daemon.socket, seconds);
    const grown = rssMiB(daemon.pid) - before;
    slow.socket.destroy();
    return [
      { what: 'a request, LPs run guests', value: latencyText(alone), bar: '' },
      { what: 'the same beside a client that asks for all and reads nothing', value: latencyText(beside), bar: 'p99 < 5 ms' },
      {
        what: "the daemon's memory with such a client",
        value: `${grown.toFixed(1)} MiB more`,
        bar: '4 MiB of answers, 1 MiB of events, and their making',
      },
    ];
  } finally {
    await daemon.end();
  }
};

const telemetryRows = async (seconds: number): Promise<SocketRow[]> => {
  const daemon = await daemonOf(LARGE);
  try {
    await sleep(2000);
    const share = async (): Promise<number> => {
      const before = rootMs(daemon.pid);
      const from = performance.now();
      await sleep(seconds * 1000);
      return ((rootMs(daemon.pid) - before) / (performance.now() - from)) * 100;
    };
    const alone = await share();
    const one = await RawClient.open(daemon.socket);
    await one.ask('subscribe', { stats: 10 });
    let frames = 0;
    one.onFrame = () => frames++;
    await sleep(WARM_UP_MS);
    frames = 0;
    const with1 = await share();
    const rate = frames / seconds;
    const more = await Promise.all(Array.from({ length: 9 }, () => RawClient.open(daemon.socket)));
    for (const client of more) await client.ask('subscribe', { stats: 10 });
    const with10 = await share();
    for (const client of [one, ...more]) client.socket.destroy();
    return [
      {
        what: `telemetry at 10 Hz with 64 LPs and 128 VPs (${rate.toFixed(1)} frames/s), root's time`,
        value: `${(with1 - alone).toFixed(2)} % of a core; with 10 clients ${(with10 - alone).toFixed(2)} %`,
        bar: '< 1 % of an LP',
      },
    ];
  } finally {
    await daemon.end();
  }
};

export const measureSocket = async (quick: boolean, say: (text: string) => void): Promise<SocketRow[]> => {
  const seconds = quick ? 2 : 8;
  const rows: SocketRow[] = [];
  for (const [what, measure] of [
    ['requests', requestRows],
    ['connections', connectionRows],
    ['a slow reader', slowReaderRows],
    ['telemetry', telemetryRows],
  ] as const) {
    say(`${what}\n`);
    rows.push(...(await measure(seconds)));
  }
  return rows;
};

export const socketMarkdown = (rows: readonly SocketRow[]): string =>
  ['| | measured | bar |', '| --- | --- | --- |', ...rows.map(({ what, value, bar }) => `| ${what} | ${value} | ${bar} |`)].join('\n');
