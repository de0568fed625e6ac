// The control socket against whoever writes to it: random bytes, cut frames, hostile types, deep nesting, lengths that lie, requests in a wrong order and with wrong
// parameters. The daemon answers others all the while, keeps its memory, and is whole at the end. HVD_FUZZ_FRAMES=1000000 for the long form.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { connect } from '../../shared/client/client.js';
import { encodeFrame } from '../../shared/protocol/frames.js';
import { FRAME_MAX, PROTOCOL_VERSION } from '../../shared/protocol/messages.js';
import { foreground } from '../rig/daemon-process.js';
import { seeded } from '../rig/seeded.js';
import { stubPartition } from '../rig/stub-daemon.js';

const FRAMES = Number(process.env.HVD_FUZZ_FRAMES ?? 10_000);
const SEED = Number(process.env.HVD_SEED ?? 1) || 1;
const CLIENTS = 4;
/** What the daemon may have grown by at the end, bytes: its heap comes to rest where it likes, but not frame by frame. */
const GROWTH_MAX = 200 << 20;
const ANSWER_LIMIT_MS = 60_000;

const rss = (pid: number): number => Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))![1]) * 1024;

/** All but those that end the daemon or write files. */
const METHODS = [
  'hello',
  'status',
  'stats',
  'vm.create',
  'vm.list',
  'vm.start',
  'vm.pause',
  'vm.resume',
  'vm.stop',
  'vm.destroy',
  'vm.schedule',
  'vm.inspect',
  'vm.inspect.vtlb',
  'interrupts',
  'vm.screen',
  'vm.console.read',
  'vm.console.write',
  'vm.console.attach',
  'vm.console.size',
  'policy.list',
  'policy.get',
  'policy.set',
  'device.list',
  'device.raise',
  'device.lower',
  'device.period',
  'port.list',
  'port.open',
  'port.close',
  'connection.open',
  'connection.close',
  'load.set',
  'load.stop',
  'subscribe',
  'trace',
  '__proto__',
  'constructor',
  '',
  'x'.repeat(300),
];
const KEYS = [
  'name',
  'version',
  'vm',
  'value',
  'path',
  'position',
  'data',
  'write',
  'force',
  'columns',
  'rows',
  'image',
  'vps',
  'memory',
  'log',
  'partition',
  'vp',
  'id',
  'port',
  'connection',
  'sint',
  'job',
  'parameters',
  'stats',
  'events',
  'on',
  'lps',
  'weight',
  'cycles',
  'devices',
  'kind',
  'file',
  'hv',
  'features',
  '__proto__',
  'toString',
];
const TEXTS = [
  'there',
  'nobody',
  '',
  '\0',
  'vtlb.lock',
  'global',
  'vtlb/sas/0',
  'vtlb/spt/99999999',
  '/dev/zero',
  '/nonexistent',
  'workload64',
  'spinlock',
  'x'.repeat(5000),
  '\ud800',
  'é'.repeat(40),
  '../..',
];
const NUMBERS = [
  0,
  1,
  -1,
  2,
  63,
  64,
  255,
  65_536,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 53,
  -(2 ** 53),
  0.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  1e308,
];

type Draw = (below: number) => number;
const one = <T>(draw: Draw, of: readonly T[]): T => of[draw(of.length)]!;

const anyValue = (draw: Draw, depth: number): unknown => {
  switch (draw(depth > 3 ? 5 : 8)) {
    case 0:
      return one(draw, TEXTS);
    case 1:
      return one(draw, NUMBERS);
    case 2:
      return draw(2) === 0;
    case 3:
      return one(draw, [null, undefined, 12345678901234567890n, -5n]);
    case 4:
      return new Uint8Array(draw(40));
    case 5:
      return Array.from({ length: draw(6) }, () => anyValue(draw, depth + 1));
    default:
      return mapOf(draw, depth + 1);
  }
};
const mapOf = (draw: Draw, depth: number): Record<string, unknown> => {
  const map: Record<string, unknown> = Object.create(null);
  for (let i = draw(5); i > 0; i--) map[one(draw, KEYS)] = anyValue(draw, depth);
  return { ...map };
};
/** Parameters that are nearly right: what comes behind the first check is to be reached too. */
const nearly = (draw: Draw): unknown => ({
  ...(draw(4) === 0 ? {} : { name: one(draw, ['there', 'nobody']) }),
  ...(draw(2) === 0 ? mapOf(draw, 1) : {}),
});

const framed = (body: Uint8Array, length = body.length): Buffer => {
  const header = Buffer.alloc(4);
  header.writeUInt32LE(length, 0);
  return Buffer.concat([header, body]);
};
const bytesOf = (draw: Draw, length: number): Buffer => Buffer.from(Array.from({ length }, () => draw(256)));
const request = (draw: Draw): Buffer =>
  encodeFrame({ id: draw(1000), m: one(draw, METHODS), p: draw(3) === 0 ? anyValue(draw, 0) : nearly(draw) });

/** Kinds of frames; `isLast`: nothing that follows it would be read. */
const KINDS: readonly ((draw: Draw) => { bytes: Buffer; isLast: boolean })[] = [
  ...Array<(draw: Draw) => { bytes: Buffer; isLast: boolean }>(60).fill((draw) => ({ bytes: request(draw), isLast: false })),
  // Random bytes in a frame, and instead of one.
  (draw) => ({ bytes: framed(bytesOf(draw, draw(64))), isLast: true }),
  (draw) => ({ bytes: bytesOf(draw, 4 + draw(64)), isLast: true }),
  // One bit of a good one is another.
  (draw) => {
    const bytes = Buffer.from(request(draw));
    bytes[4 + draw(bytes.length - 4)]! ^= 1 << draw(8);
    return { bytes, isLast: true };
  },
  // Cut: what follows is taken for its rest.
  (draw) => {
    const bytes = request(draw);
    return { bytes: bytes.subarray(0, 4 + draw(bytes.length - 4)), isLast: true };
  },
  // Lengths that lie: of the frame, and of what is in it.
  (draw) => ({ bytes: framed(Buffer.alloc(0), FRAME_MAX + 1 + draw(2 ** 31)), isLast: true }),
  (draw) => ({ bytes: framed(bytesOf(draw, 8), FRAME_MAX - draw(100)), isLast: true }),
  (draw) => ({
    bytes: framed(Buffer.concat([Buffer.from([one(draw, [0xc6, 0xc9, 0xdb, 0xdd, 0xdf])]), bytesOf(draw, 4 + draw(8))])),
    isLast: true,
  }),
  // Deep, and wide.
  (draw) => ({ bytes: framed(Buffer.alloc(1 + draw(20_000), one(draw, [0x91, 0x81, 0xdc]))), isLast: true }),
  (draw) => ({
    bytes: framed(Buffer.concat([Buffer.from([0xdd, 0, 3, 0, 0]), Buffer.alloc(3 << 16, one(draw, [0x80, 0x90, 0xc0]))])),
    isLast: true,
  }),
  // Types that msgpackr would make: dates, sets, errors, regular expressions, records.
  (draw) => ({
    bytes: framed(
      Buffer.concat([
        Buffer.from([0x82, 0xa2, 0x69, 0x64, 0x01, 0xa1, 0x6d]),
        Buffer.from([0xd4, one(draw, [0x72, 0x73, 0x65, 0x78, 0xff, 0x74])]),
        bytesOf(draw, 20),
      ]),
    ),
    isLast: true,
  }),
  // No request.
  (draw) => ({
    bytes: encodeFrame(
      one(draw, [[1, 2], 'hello', 5, null, { id: 1 }, { id: 'x', m: 'status' }, { id: 2 ** 60, m: 'status' }, { m: 'status', p: {} }]),
    ),
    isLast: true,
  }),
];

const HELLO = encodeFrame({ id: 0, m: 'hello', p: { version: PROTOCOL_VERSION } });

/** One connection: writes until its stream is spoilt, or so many frames; and reads, or not. Returns the frames written. */
const assault = (socket: string, draw: Draw, most: number): Promise<number> =>
  new Promise((resolve) => {
    const pieces = draw(12) === 0 ? [] : [HELLO];
    let frames = 0;
    for (let isLast = false; !isLast && frames < most; frames++) {
      const drawn = one(draw, KINDS)(draw);
      pieces.push(drawn.bytes);
      isLast = drawn.isLast;
    }
    const all = Buffer.concat(pieces);
    const client: Socket = createConnection(socket);
    const timer = setTimeout(() => client.destroy(), 5 + draw(60));
    client.on('error', () => {});
    client.on('close', () => {
      clearTimeout(timer);
      resolve(frames);
    });
    if (draw(4) === 0) client.pause();
    else client.resume();
    // In pieces, whose ends have nothing to do with frames.
    for (let at = 0; at < all.length; ) {
      const length = 1 + draw(draw(3) === 0 ? 20 : 4000);
      client.write(all.subarray(at, at + length));
      at += length;
    }
    if (draw(3) === 0) client.end();
  });

test('whatever is written to the socket: others are answered, nothing crashes, nothing grows', async (t) => {
  t.timeout(FRAMES > 10_000 ? 7_200_000 : 300_000);
  const folder = mkdtempSync(join(tmpdir(), 'hvd-test-'));
  const socket = join(folder, 'hvd.sock');
  const { child, ended } = await foreground(socket);
  try {
    const witness = await connect({ socket, timeoutMs: ANSWER_LIMIT_MS });
    await witness.request('vm.create', stubPartition('there', { autostart: false, vps: 2 }));
    let frames = 0;
    let before = 0;
    let isOver = false;
    let answers = 0;
    const watching = (async () => {
      // It rejects where an answer does not come in time.
      for (; !isOver; answers++) {
        await witness.request('status', {});
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    const clients = Array.from({ length: CLIENTS }, async (_, client) => {
      const draw = seeded(SEED * 1000 + client);
      while (frames < FRAMES) {
        frames += await assault(socket, draw, 60);
        // What the first tenth has warmed up is not counted.
        if (before === 0 && frames > FRAMES / 10) before = rss(child.pid!);
      }
    });
    await Promise.race([Promise.all(clients), watching]);
    isOver = true;
    await watching;
    t.true(frames >= FRAMES);
    t.true(answers > 10);
    const grown = rss(child.pid!) - before;
    t.true(grown < GROWTH_MAX, `grown by ${Math.round(grown / 2 ** 20)} MiB in ${frames} frames`);
    t.is(child.exitCode, null);
    // The machine works on.
    const { lps } = await witness.request('stats', {});
    t.true(lps.every(({ state }) => state !== 'dead'));
    await witness.request('vm.create', stubPartition('after', { autostart: false }));
    await witness.close();
  } finally {
    child.kill('SIGTERM');
    const { log } = await ended;
    t.notRegex(log, /internal|request failed|defect|Error:/, `the log, HVD_SEED=${SEED}`);
    rmSync(folder, { recursive: true });
  }
});
