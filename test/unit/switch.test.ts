// A switch between network devices: who gets a frame, what is lost and counted, whom it tells; and a server that carries what a device has sent.
import test from 'ava';
import { defaultMac, macOf, macText } from '../../daemon/root/network/mac.js';
import { STATIONS_MAX, Switch, SwitchPort } from '../../daemon/root/network/switch.js';
import { SwitchServer } from '../../daemon/root/network/switch-server.js';
import { waitUntil } from '../../daemon/root/wait-until.js';
import { FRAME_MAX, FrameQueue } from '../../shared/layout/frame-queue.js';
import { FRAME_QUEUE_BYTES, NetworkBufferLayout } from '../../shared/layout/network-buffer.js';
import { PartitionMap } from '../../shared/layout/partition.js';
import { viewsOf } from '../../shared/layout/struct.js';
import { VirtualDevice, virtualDeviceAt } from '../../shared/layout/virtual-devices.js';

/** A network device with nobody in it: the test pushes what it sends, and pops what it receives. */
const device = () => {
  const views = viewsOf(new SharedArrayBuffer(PartitionMap.DEVICES_END + NetworkBufferLayout.size));
  const entry = new VirtualDevice(views, virtualDeviceAt(0));
  entry.buffer = PartitionMap.DEVICES_END;
  let told = 0;
  const port = new SwitchPort('a', views, 0, () => told++);
  const received = new FrameQueue(views, entry.buffer + NetworkBufferLayout.at.in, FRAME_QUEUE_BYTES);
  const taken = (): number[] => {
    const serials: number[] = [];
    for (let frame = received.pop(); frame !== undefined; frame = received.pop()) serials.push(frame[14]!);
    return serials;
  };
  return { views, entry, port, taken, told: () => told };
};
const BROADCAST = 0xff;
const addressOf = (station: number): number[] =>
  station === BROADCAST ? new Array(6).fill(0xff) : [2, 0, 0, 0, station >>> 8, station & 0xff];
const frame = (to: number, from: number, serial: number, bytes = 60): Uint8Array => {
  const whole = new Uint8Array(bytes);
  whole.set([...addressOf(to), ...addressOf(from), 8, 0, serial]);
  return whole;
};

test('an unknown station and a group are everybody’s, one that was heard is where it was heard last', (t) => {
  const network = new Switch();
  const [a, b, c] = [device(), device(), device()] as const;
  for (const { port } of [a, b, c]) network.join(port);
  const carried = (): number[][] => {
    network.carry();
    return [a, b, c].map(({ taken }) => taken());
  };
  a.port.out.push(frame(2, 1, 10));
  t.deepEqual(carried(), [[], [10], [10]], 'nobody has heard of 2');
  b.port.out.push(frame(1, 2, 11));
  t.deepEqual(carried(), [[11], [], []]);
  a.port.out.push(frame(2, 1, 12));
  a.port.out.push(frame(BROADCAST, 1, 13));
  a.port.out.push(frame(1, 1, 14));
  t.deepEqual(carried(), [[], [12, 13], [13]], 'a frame to where it came from goes nowhere');
  c.port.out.push(frame(BROADCAST, 2, 15));
  b.port.out.push(frame(2, 3, 16));
  carried();
  a.port.out.push(frame(2, 1, 17));
  t.deepEqual(carried(), [[], [], [17]], 'station 2 has moved');
  network.leave(c.port);
  a.port.out.push(frame(2, 1, 18));
  t.deepEqual(carried(), [[], [18], []], 'what was at a port that is gone is unknown again');
});

test('a device hears once of what it has received, and of room that it waits for; frames too short for addresses go nowhere', (t) => {
  const network = new Switch();
  const [a, b] = [device(), device()] as const;
  network.join(a.port);
  network.join(b.port);
  for (let n = 0; n < 3; n++) a.port.out.push(frame(BROADCAST, 1, n));
  network.carry();
  t.deepEqual([a.told(), b.told()], [0, 1]);
  a.port.out.push(new Uint8Array(11));
  network.carry();
  t.deepEqual([a.told(), b.told()], [0, 1]);
  a.views.i32[(a.entry.buffer + NetworkBufferLayout.at.held) >>> 2] = 1;
  network.carry();
  t.deepEqual([a.told(), b.told()], [1, 1]);
  t.is(a.views.i32[(a.entry.buffer + NetworkBufferLayout.at.held) >>> 2], 0);
});

test('who does not take its frames loses what there is no room for, and it is counted', (t) => {
  const network = new Switch();
  const [a, b] = [device(), device()] as const;
  network.join(a.port);
  network.join(b.port);
  let sent = 0;
  for (let round = 0; round < 3; round++) {
    while (a.port.out.push(frame(BROADCAST, 1, sent & 0xff, FRAME_MAX))) sent++;
    network.carry();
  }
  const kept = b.taken().length;
  t.true(kept > 60 && kept < sent);
  t.is(b.entry.failures, sent - kept);
});

test('stations beyond the limit are not remembered and are still reached', (t) => {
  const network = new Switch();
  const [a, b, c] = [device(), device(), device()] as const;
  for (const { port } of [a, b, c]) network.join(port);
  for (let station = 0x100; station < 0x100 + STATIONS_MAX; station++) {
    a.port.out.push(frame(BROADCAST, station, 0));
    network.carry();
    b.taken();
    c.taken();
  }
  b.port.out.push(frame(BROADCAST, 2, 1));
  network.carry();
  c.taken();
  a.port.out.push(frame(2, 0x100, 2));
  network.carry();
  t.deepEqual([b.taken(), c.taken()], [[2], [2]]);
});

test('a server carries what was sent before it came and while it slept; after its end nothing', async (t) => {
  const network = new Switch();
  const [a, b] = [device(), device()] as const;
  network.join(b.port);
  const send = (serial: number): void => {
    a.port.out.push(frame(BROADCAST, 1, serial));
    Atomics.add(a.views.i32, a.port.sent, 1);
    Atomics.notify(a.views.i32, a.port.sent);
  };
  send(1);
  const server = new SwitchServer(a.views, network, a.port, async () => network.carry());
  t.true(await waitUntil(() => b.told() === 1, 5000));
  send(2);
  t.true(await waitUntil(() => b.told() === 2, 5000));
  t.deepEqual(b.taken(), [1, 2]);
  await server.end();
  send(3);
  network.carry();
  t.deepEqual(b.taken(), []);
});

test('a device’s own address is one of a single station, the same at each boot, and its neighbours’ differ', (t) => {
  const addresses = ['a', 'b'].flatMap((name) => [0, 1].map((index) => macText(defaultMac(name, index))));
  t.is(new Set(addresses).size, 4);
  t.deepEqual(addresses[0], macText(defaultMac('a', 0)));
  for (const address of addresses) t.is(macOf(address)[0]! & 1, 0);
});
