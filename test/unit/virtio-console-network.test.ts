// The console's ports and the network device's frames, on the board; what root does at the other end is done by the test.
import test from 'ava';
import fc from 'fast-check';
import { ConsoleEvent, ConsoleFeature, VirtioFeature } from '../../shared/abi/virtio.js';
import { AGENT_BYTES, AGENT_PORT_NAME, ConsoleBufferLayout } from '../../shared/layout/console-buffer.js';
import { CONSOLE_IN_BYTES, CONSOLE_OUT_BYTES, DeviceClockLayout, DeviceMap, PlatformRequest } from '../../shared/layout/devices.js';
import { FRAME_MAX, FrameQueue, frameQueueSize } from '../../shared/layout/frame-queue.js';
import { FRAME_QUEUE_BYTES, NetworkBufferLayout } from '../../shared/layout/network-buffer.js';
import { ByteLog, ByteQueue } from '../../shared/layout/ring.js';
import { viewsOf } from '../../shared/layout/struct.js';
import { VirtualDeviceKind } from '../../shared/layout/virtual-devices.js';
import { boardWith, Driver } from '../rig/virtio-driver.js';

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
/** What root does when it has left something. */
const ask = (d: Driver): void => {
  Atomics.or(d.b.views.i32, (DeviceMap.CLOCK + DeviceClockLayout.at.requests) >>> 2, PlatformRequest.VIRTIO);
  d.b.platform.advance();
};

test('port 0 is the partition’s console: output goes to its log, input comes from its queue and not to COM1', (t) => {
  const d = new Driver(boardWith(VirtualDeviceKind.CONSOLE));
  const input = new ByteQueue(d.b.views, DeviceMap.CONSOLE_IN, CONSOLE_IN_BYTES);
  const [into, out] = d.start(2);
  d.poke(0x8000, encode('hello'));
  out.add([
    { address: 0x8000, bytes: 2 },
    { address: 0x8002, bytes: 3 },
  ]);
  out.kick();
  t.is(decode(new ByteLog(d.b.views, DeviceMap.CONSOLE_OUT, CONSOLE_OUT_BYTES).read(0).bytes), 'hello');
  input.write(encode('typed'));
  d.b.wait(1_000_000_000);
  t.is(d.b.in(0x3fd) & 1, 0, 'COM1 has nothing');
  t.is(d.b.platform.nextDeadline(), Number.POSITIVE_INFINITY, 'no room: nothing to wake up for');
  into.add([{ address: 0x9000, bytes: 3, write: true }]);
  into.add([{ address: 0x9100, bytes: 8, write: true }]);
  into.kick();
  t.deepEqual(into.used(), [
    [0, 3],
    [1, 2],
  ]);
  t.is(decode(d.peek(0x9000, 3)) + decode(d.peek(0x9100, 2)), 'typed');
  into.add([{ address: 0x9000, bytes: 8, write: true }]);
  into.kick();
  input.write(encode('!'));
  t.is(d.b.platform.nextDeadline(), 0);
  d.b.platform.advance();
  t.deepEqual(into.used(), [[2, 1]]);
});

test('until a driver is there input is COM1’s', (t) => {
  const d = new Driver(boardWith(VirtualDeviceKind.CONSOLE));
  new ByteQueue(d.b.views, DeviceMap.CONSOLE_IN, CONSOLE_IN_BYTES).write(encode('x'));
  d.b.wait(1_000_000);
  t.is(d.b.in(0x3f8), 0x78);
});

test('the size of the terminal is in the configuration space, and a driver of ports is told each other one', (t) => {
  const d = new Driver(boardWith(VirtualDeviceKind.CONSOLE));
  const size = (columns: number, rows: number): void => {
    Atomics.store(d.b.views.i32, (d.buffer + ConsoleBufferLayout.at.size) >>> 2, columns | (rows << 16));
    ask(d);
  };
  const rings = d.start(6, [VirtioFeature.VERSION_1, ConsoleFeature.SIZE, ConsoleFeature.MULTIPORT]);
  const [, , controlIn, controlOut] = rings;
  for (let n = 0; n < 8; n++) controlIn.add([{ address: 0x9000 + n * 64, bytes: 64, write: true }]);
  const told = (): number[][] =>
    controlIn.used().flatMap(([head, bytes]) => {
      const view = new DataView(d.peek(0x9000 + head * 64, bytes).buffer);
      return view.getUint16(4, true) === ConsoleEvent.RESIZE
        ? [[view.getUint32(0, true), view.getUint16(8, true), view.getUint16(10, true), bytes]]
        : [];
    });
  size(300, 25);
  t.deepEqual(told(), [], 'port 0 is not ready');
  d.poke(0x8000, Uint8Array.of(0, 0, 0, 0, ConsoleEvent.PORT_READY, 0, 1, 0));
  controlOut.add([{ address: 0x8000, bytes: 8 }]);
  controlOut.kick();
  t.deepEqual(told(), [[0, 300, 25, 12]], 'columns first');
  ask(d);
  t.deepEqual(told(), [], 'once');
  size(80, 24);
  size(81, 24);
  t.deepEqual(told(), [
    [0, 80, 24, 12],
    [0, 81, 24, 12],
  ]);
});

test('with MULTIPORT a second port is announced by its name, which carries bytes both ways; who says much is not held up by who listens', (t) => {
  const d = new Driver(boardWith(VirtualDeviceKind.CONSOLE));
  const rings = d.start(6, [VirtioFeature.VERSION_1, ConsoleFeature.MULTIPORT]);
  const [, , controlIn, controlOut, agentIn, agentOut] = rings;
  const say = (port: number, event: number, value: number): void => {
    const message = new DataView(new ArrayBuffer(8));
    message.setUint32(0, port, true);
    message.setUint16(4, event, true);
    message.setUint16(6, value, true);
    d.poke(0x8000, new Uint8Array(message.buffer));
    controlOut.add([{ address: 0x8000, bytes: 8 }]);
    controlOut.kick();
  };
  for (let n = 0; n < 8; n++) controlIn.add([{ address: 0x9000 + n * 64, bytes: 64, write: true }]);
  const heard = (): unknown[] =>
    controlIn.used().map(([head, bytes]) => {
      const message = d.peek(0x9000 + head * 64, bytes);
      const view = new DataView(message.buffer);
      const name = decode(message.subarray(8));
      return [view.getUint32(0, true), view.getUint16(4, true), view.getUint16(6, true), ...(name === '' ? [] : [name])];
    });
  say(0xffff_ffff, ConsoleEvent.DEVICE_READY, 1);
  t.deepEqual(heard(), [
    [0, ConsoleEvent.DEVICE_ADD, 1],
    [1, ConsoleEvent.DEVICE_ADD, 1],
  ]);
  say(0, ConsoleEvent.PORT_READY, 1);
  say(1, ConsoleEvent.PORT_READY, 1);
  say(9, ConsoleEvent.PORT_READY, 1);
  t.deepEqual(heard(), [
    [0, ConsoleEvent.CONSOLE_PORT, 1],
    [0, ConsoleEvent.PORT_OPEN, 1],
    [1, ConsoleEvent.PORT_NAME, 1, AGENT_PORT_NAME],
    [1, ConsoleEvent.PORT_OPEN, 1],
  ]);

  const fromAgent = new ByteLog(d.b.views, d.buffer + ConsoleBufferLayout.at.out, AGENT_BYTES);
  const long = Uint8Array.from({ length: AGENT_BYTES + 5000 }, (_, i) => (i * 31) & 0xff);
  d.poke(0x2_0000, long);
  agentOut.add([{ address: 0x2_0000, bytes: long.length }]);
  agentOut.kick();
  t.is(agentOut.used().length, 1, 'more than there is room for');
  const { bytes, lost } = fromAgent.read(0);
  t.deepEqual(Buffer.from(bytes), Buffer.from(long.subarray(lost)), 'the newest');
  t.is(lost, 5001);

  agentIn.add([{ address: 0xa000, bytes: 64, write: true }]);
  agentIn.kick();
  new ByteQueue(d.b.views, d.buffer + ConsoleBufferLayout.at.in, AGENT_BYTES).write(encode('run'));
  ask(d);
  t.deepEqual(agentIn.used(), [[0, 3]]);
  t.is(decode(d.peek(0xa000, 3)), 'run');
});

test('frames go out and come in whole, behind a header of twelve bytes', (t) => {
  const d = new Driver(boardWith(VirtualDeviceKind.NETWORK));
  const [into, out] = d.start(2);
  const wireOut = new FrameQueue(d.b.views, d.buffer + NetworkBufferLayout.at.out, FRAME_QUEUE_BYTES);
  const wireIn = new FrameQueue(d.b.views, d.buffer + NetworkBufferLayout.at.in, FRAME_QUEUE_BYTES);
  const frame = Uint8Array.from({ length: 100 }, (_, i) => i);
  d.poke(0x8000, new Uint8Array(12));
  d.poke(0x800c, frame);
  out.add([
    { address: 0x8000, bytes: 12 },
    { address: 0x800c, bytes: 100 },
  ]);
  out.kick();
  t.deepEqual(wireOut.pop(), frame);
  t.is(d.b.views.i32[(d.buffer + NetworkBufferLayout.at.sent) >>> 2], 1);
  out.add([{ address: 0x8000, bytes: 12 + FRAME_MAX + 1 }]);
  out.kick();
  t.is(wireOut.pop(), undefined);
  t.deepEqual([out.used().length, d.entry.failures], [2, 1], 'too long for the wire: dropped');

  wireIn.push(frame);
  ask(d);
  t.deepEqual(into.used(), []);
  into.add([{ address: 0x9000, bytes: 12 + FRAME_MAX, write: true }]);
  into.kick();
  t.deepEqual(into.used(), [[0, 112]]);
  t.deepEqual(d.peek(0x9000, 112), Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, ...frame));
});

test('on a switch of a deterministic machine root is called with each kick that sends, when the frame is there and before root is woken', (t) => {
  const d = new Driver(boardWith(VirtualDeviceKind.NETWORK));
  const [, out] = d.start(2);
  const wire = new FrameQueue(d.b.views, d.buffer + NetworkBufferLayout.at.out, FRAME_QUEUE_BYTES);
  const word = (name: 'sent' | 'calls'): number => (d.buffer + NetworkBufferLayout.at[name]) >>> 2;
  const calls: unknown[] = [];
  d.b.onCall = () => calls.push([wire.empty, d.b.views.i32[word('sent')]]);
  const send = (): void => {
    out.add([{ address: 0x8000, bytes: 12 + 60 }]);
    out.kick();
  };
  send();
  t.deepEqual(calls, []);
  t.is(wire.pop()?.length, 60);
  d.b.views.i32[word('calls')] = 1;
  send();
  t.deepEqual(calls, [[false, 1]]);
  t.is(d.b.views.i32[word('sent')], 2);
  out.kick();
  t.is(calls.length, 1, 'nothing was sent');
});

test('a full wire holds frames back in the ring until root has taken some; none is lost', (t) => {
  const d = new Driver(boardWith(VirtualDeviceKind.NETWORK));
  const [, out] = d.start(2, [VirtioFeature.VERSION_1], 256);
  const wire = new FrameQueue(d.b.views, d.buffer + NetworkBufferLayout.at.out, FRAME_QUEUE_BYTES);
  for (let n = 0; n < 120; n++) out.add([{ address: 0x1_0000 + n * 4, bytes: 12 + FRAME_MAX }]);
  d.notify(1);
  const before = out.used().length;
  t.true(before > 60 && before < 120);
  t.is(d.b.views.i32[(d.buffer + NetworkBufferLayout.at.held) >>> 2], 1);
  let frames = 0;
  for (let round = 0; round < 4; round++) {
    while (wire.pop() !== undefined) frames++;
    ask(d);
  }
  t.is(frames, 120);
  t.is(out.used().length, 120 - before);
});

test('the frame queue is a queue: any lengths, any order of pushes and pops, wrapped round', (t) => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat(FRAME_MAX)), { maxLength: 300 }), (steps) => {
      const queue = new FrameQueue(viewsOf(new SharedArrayBuffer(frameQueueSize(4096))), 0, 4096);
      const model: number[] = [];
      let serial = 0;
      for (const length of steps) {
        if (length === null) {
          const frame = queue.pop();
          const expected = model.shift();
          if (frame?.length !== expected || frame?.some((byte) => byte !== frame[0])) return false;
        } else if (queue.push(new Uint8Array(length).fill(serial++))) model.push(length);
        else if (model.length === 0 || queue.hasRoom) return false;
      }
      return queue.empty === (model.length === 0);
    }),
  );
  t.pass();
});
