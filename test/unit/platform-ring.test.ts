// The byte rings: positions, losing the oldest, wrapping at 2^32, and a reader against a running writer.
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { ByteLog, ByteQueue, RingLayout, ringSize } from '../../shared/layout/ring.js';
import { viewsOf } from '../../shared/layout/struct.js';

const CAPACITY = 16;
const log = (head = 0) => {
  const views = viewsOf(new SharedArrayBuffer(ringSize(CAPACITY)));
  views.u32[RingLayout.at.head >>> 2] = head;
  return new ByteLog(views, 0, CAPACITY);
};
const append = (l: ByteLog, from: number, to: number): void => {
  for (let i = from; i < to; i++) l.append(i & 0xff);
};
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => (from + i) & 0xff);

test('a log gives what was written after a position', (t) => {
  const l = log();
  append(l, 0, 5);
  t.deepEqual(l.read(2), { bytes: Uint8Array.of(2, 3, 4), next: 5, lost: 0 });
  t.deepEqual(l.read(5), { bytes: new Uint8Array(0), next: 5, lost: 0 });
  t.deepEqual(l.read(0, 2), { bytes: Uint8Array.of(0, 1), next: 2, lost: 0 });
  t.deepEqual([l.start, l.end], [0, 5]);
});

test('a full log loses the oldest bytes and says how many', (t) => {
  const l = log();
  append(l, 0, 40);
  t.is(l.end, 40);
  t.is(l.start, 40 - (CAPACITY - 1));
  const chunk = l.read(3);
  t.is(chunk.lost, 22);
  t.deepEqual([...chunk.bytes], range(25, 40));
  t.is(chunk.next, 40);
});

test('a position that was never reached gives the oldest bytes there are', (t) => {
  const l = log();
  append(l, 0, 4);
  t.deepEqual([...l.read(1000).bytes], range(0, 4));
});

test('positions wrap at 2^32', (t) => {
  const l = log(0xffff_fff0);
  append(l, 0, 32);
  t.is(l.end, 16);
  t.is(l.start, 1);
  const first = l.read(8);
  t.deepEqual([...first.bytes], range(24, 32));
  const old = l.read(0xffff_fffe);
  t.is(old.lost, 3);
  t.is(old.next, 16);
});

test('a queue refuses what does not fit and loses nothing', (t) => {
  const views = viewsOf(new SharedArrayBuffer(ringSize(CAPACITY)));
  views.u32[RingLayout.at.head >>> 2] = 0xffff_fff8;
  views.u32[RingLayout.at.tail >>> 2] = 0xffff_fff8;
  const q = new ByteQueue(views, 0, CAPACITY);
  t.is(q.pop(), -1);
  t.is(q.write(Uint8Array.from(range(0, 20))), CAPACITY);
  t.false(q.push(1));
  t.is(q.pop(), 0);
  t.true(q.push(99));
  t.is(q.length, CAPACITY);
  const rest: number[] = [];
  for (let byte = q.pop(); byte >= 0; byte = q.pop()) rest.push(byte);
  t.deepEqual(rest, [...range(1, 16), 99]);
});

test('capacities are powers of two', (t) => {
  const views = viewsOf(new SharedArrayBuffer(256));
  t.throws(() => new ByteLog(views, 0, 24), { message: /power of two/ });
});

test('a reader against a running writer sees no byte at a wrong position', async (t) => {
  const CAP = 256;
  const TOTAL = 2_000_000;
  const views = viewsOf(new SharedArrayBuffer(ringSize(CAP)));
  const source = `
    const { workerData } = require('node:worker_threads');
    (async () => {
      const { ByteLog } = await import(workerData.ring);
      const { viewsOf } = await import(workerData.struct);
      const log = new ByteLog(viewsOf(workerData.buffer), 0, ${CAP});
      for (let i = 0; i < ${TOTAL}; i++) log.append((i % 251) & 255);
    })();`;
  const url = (path: string): string => new URL(path, import.meta.url).href;
  const worker = new Worker(source, {
    eval: true,
    workerData: { buffer: views.buffer, ring: url('../../shared/layout/ring.js'), struct: url('../../shared/layout/struct.js') },
  });
  const exit = new Promise((resolve, reject) => worker.once('error', reject).once('exit', resolve));
  const reader = new ByteLog(views, 0, CAP);
  let position = 0;
  let read = 0;
  let lost = 0;
  while (position < TOTAL) {
    const chunk = reader.read(position);
    const first = chunk.next - chunk.bytes.length;
    t.is(first, position + chunk.lost);
    for (let i = 0; i < chunk.bytes.length; i++) if (chunk.bytes[i] !== (first + i) % 251) t.fail(`position ${first + i}`);
    read += chunk.bytes.length;
    lost += chunk.lost;
    position = chunk.next;
    if (chunk.bytes.length === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await exit;
  t.is(read + lost, TOTAL);
});
