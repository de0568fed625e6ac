// TCP with a guest: whatever the order, the losses and the windows, both sides get the bytes of the other, once; and a guest that sends anything at all does no harm.
import test from 'ava';
import fc from 'fast-check';
import { type Tcp, TcpFlag } from '../../daemon/root/network/user/packets.js';
import { RECEIVE_MAX, RETRIES_MAX, SEND_MAX, TcpEndpoint } from '../../daemon/root/network/user/tcp-endpoint.js';

const GUEST_START = 0xffff_fff0;
const HOST_START = 0xffff_ff00;
const NONE = new Uint8Array();
const RUNS = 200;
type Sent = Omit<Tcp, 'sourcePort' | 'targetPort'>;

const rig = (opens: 'guest' | 'host' = 'guest') => {
  const sent: Sent[] = [];
  const host = { bytes: [] as number[], ended: 0, destroyed: 0, buffered: 0, paused: false, room: true };
  const link = { send: (one: Sent) => void sent.push(one), hasRoom: () => host.room, isIdle: () => true };
  const peer = {
    write: (bytes: Uint8Array) => void host.bytes.push(...bytes),
    end: () => void host.ended++,
    destroy: () => void host.destroyed++,
    get buffered() {
      return host.buffered;
    },
    pause: () => {
      host.paused = true;
    },
    resume: () => {
      host.paused = false;
    },
  };
  const segment = (flags: number, sequence: number, acknowledgement = 0, payload: Uint8Array = NONE, window = RECEIVE_MAX): Tcp => ({
    ...{ sourcePort: 1, targetPort: 2, flags, sequence: sequence >>> 0, acknowledgement: acknowledgement >>> 0, window, payload },
    ...((flags & TcpFlag.SYN) === 0 ? {} : { mss: 100 }),
  });
  const syn = segment(TcpFlag.SYN, GUEST_START);
  const endpoint = new TcpEndpoint(link, peer, HOST_START, opens === 'guest' ? syn : undefined);
  const take = (): Sent[] => sent.splice(0);
  const open = (window = RECEIVE_MAX): void => {
    if (opens === 'guest') {
      endpoint.connected(0);
      endpoint.receive(segment(TcpFlag.ACK, GUEST_START + 1, HOST_START + 1, NONE, window), 0);
    } else endpoint.receive(segment(TcpFlag.SYN | TcpFlag.ACK, GUEST_START, HOST_START + 1, NONE, window), 0);
    take();
  };
  return { endpoint, host, segment, take, open };
};
const G = (GUEST_START + 1) >>> 0;
const H = (HOST_START + 1) >>> 0;

test('a connection opens once the host has answered, and is refused when it has not', (t) => {
  const { endpoint, take, segment, host } = rig();
  t.deepEqual(take(), [], 'nobody knows yet');
  endpoint.connected(0);
  const [synAck] = take();
  t.is(synAck!.flags, TcpFlag.SYN | TcpFlag.ACK);
  t.deepEqual([synAck!.sequence, synAck!.acknowledgement], [HOST_START, G]);
  endpoint.receive(segment(TcpFlag.SYN, GUEST_START), 0);
  t.is(take()[0]!.flags, TcpFlag.SYN | TcpFlag.ACK, 'said again to a guest that asks again');
  endpoint.receive(segment(TcpFlag.ACK, G, H), 0);
  t.is(endpoint.phase, 'open');
  const refused = rig();
  refused.endpoint.abort();
  const [reset] = refused.take();
  t.deepEqual([reset!.flags, reset!.sequence, reset!.acknowledgement], [TcpFlag.RST | TcpFlag.ACK, 0, G]);
  t.is(host.destroyed, 0);
});

test('each side ends in either order; a reset ends it in every phase, if it comes where it is expected', (t) => {
  for (const first of ['guest', 'host']) {
    const { endpoint, host, take, segment, open } = rig();
    open();
    const guestEnds = (ack: number): void => endpoint.receive(segment(TcpFlag.FIN | TcpFlag.ACK, G, ack), 0);
    if (first === 'guest') {
      guestEnds(H);
      t.is(take()[0]!.acknowledgement, (G + 1) >>> 0);
      t.is(host.ended, 1);
      endpoint.fromHost(Uint8Array.of(7), 0);
      t.deepEqual([...take()[0]!.payload], [7], 'the other direction goes on');
      endpoint.hostEnded(0);
      t.is(take()[0]!.flags & TcpFlag.FIN, TcpFlag.FIN);
      endpoint.receive(segment(TcpFlag.ACK, G + 1, H + 2), 0);
    } else {
      endpoint.hostEnded(0);
      t.is(take()[0]!.flags & TcpFlag.FIN, TcpFlag.FIN);
      endpoint.receive(segment(TcpFlag.ACK, G, H + 1), 0);
      t.false(endpoint.isClosed);
      guestEnds(H + 1);
      t.is(take()[0]!.acknowledgement, (G + 1) >>> 0);
      t.is(host.ended, 1);
    }
    t.true(endpoint.isClosed);
    t.is(host.destroyed, 0);
  }
  const { endpoint, host, take, segment, open } = rig();
  open();
  endpoint.receive(segment(TcpFlag.RST, G + 5), 0);
  t.false(endpoint.isClosed, 'a guess');
  t.is(take()[0]!.flags, TcpFlag.ACK);
  endpoint.receive(segment(TcpFlag.RST, G), 0);
  t.true(endpoint.isClosed);
  t.is(host.destroyed, 1);
  const connecting = rig();
  connecting.endpoint.receive(segment(TcpFlag.RST, G), 0);
  t.is(connecting.host.destroyed, 1);
  const opening = rig('host');
  opening.endpoint.receive(segment(TcpFlag.RST | TcpFlag.ACK, 0, H), 0);
  t.is(opening.host.destroyed, 1, 'nobody listens in the guest');
});

test('the host waits while the guest takes nothing, and the guest while the host takes nothing', (t) => {
  const { endpoint, host, take, segment, open } = rig();
  open(0);
  endpoint.fromHost(new Uint8Array(SEND_MAX), 0);
  t.true(host.paused);
  t.deepEqual(take(), [], 'the window is shut');
  endpoint.tick(10_000);
  t.is(take()[0]!.payload.length, 1, 'is it still?');
  endpoint.receive(segment(TcpFlag.ACK, G, H, NONE, 1000), 10_000);
  t.true(take().length > 0);
  host.buffered = RECEIVE_MAX - 10;
  endpoint.receive(segment(TcpFlag.ACK, G, H, new Uint8Array(20)), 10_000);
  t.is(host.bytes.length, 10);
  host.buffered = RECEIVE_MAX;
  endpoint.receive(segment(TcpFlag.ACK, G + 10, H, new Uint8Array(10)), 10_000);
  t.is(take().at(-1)!.window, 0);
  host.buffered = 0;
  endpoint.hostDrained();
  t.is(take().at(-1)!.window, RECEIVE_MAX);
});

test('a guest that says nothing more is given up', (t) => {
  const { endpoint, host, take, open } = rig();
  open();
  endpoint.fromHost(Uint8Array.of(1), 0);
  for (let n = 1; n <= RETRIES_MAX + 1; n++) endpoint.tick(n * 60_000);
  t.true(endpoint.isClosed);
  t.is(host.destroyed, 1);
  t.is(take().at(-1)!.flags & TcpFlag.RST, TcpFlag.RST);
});

test('what the guest sends arrives whole and in order, whatever the order, overlaps and repetitions of its segments', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 400 }), fc.infiniteStream(fc.nat()), (data, stream) => {
      const { endpoint, host, take, segment, open } = rig();
      open();
      const next = (below: number): number => (stream.next().value as number) % below;
      let acknowledged = 0;
      for (let rounds = 0; acknowledged <= data.length && rounds < 3000; rounds++) {
        // Somewhere round what is expected: before, at, behind.
        const from = rounds % 3 === 0 ? acknowledged : next(data.length + 1);
        const to = Math.min(data.length, from + 1 + next(80));
        const isEnd = to === data.length;
        const flags = TcpFlag.ACK | (isEnd ? TcpFlag.FIN : 0);
        host.buffered = next(4) === 0 ? RECEIVE_MAX - next(30) : 0;
        endpoint.receive(segment(flags, G + from, H, data.slice(from, to)), 0);
        for (const { acknowledgement } of take()) acknowledged = Math.max(acknowledged, (acknowledgement - G) | 0);
      }
      t.deepEqual(host.bytes, [...data]);
      t.is(host.ended, 1);
    }),
    { numRuns: RUNS },
  );
});

test('what the host sends arrives whole and in order, whatever is lost and however the guest opens and shuts its window', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 6 }),
      fc.infiniteStream(fc.nat()),
      (chunks, stream) => {
        const { endpoint, host, take, segment, open } = rig('host');
        const next = (below: number): number => (stream.next().value as number) % below;
        open(next(2) * 500);
        const expected = chunks.flatMap((chunk) => [...chunk]);
        const got: number[] = [];
        const waiting = [...chunks];
        let isEnd = false;
        let now = 0;
        let window = 500;
        // Whoever loses everything is given up.
        let losses = 0;
        const isLost = (outOf: number): boolean => {
          losses = losses < 5 && next(outOf) === 0 ? losses + 1 : 0;
          return losses > 0;
        };
        for (let rounds = 0; !endpoint.isClosed && rounds < 3000; rounds++) {
          now += 40_000;
          const chunk = waiting.shift();
          if (chunk !== undefined) endpoint.fromHost(chunk, now);
          else if (rounds === chunks.length) endpoint.hostEnded(now);
          host.room = next(5) !== 0;
          endpoint.flush(now);
          endpoint.tick(now);
          for (const { sequence, flags, payload } of take()) {
            t.true(payload.length <= 100, 'the guest named a size');
            if (isLost(3)) continue;
            const offset = (got.length - ((sequence - H) | 0)) | 0;
            // One byte may ask after a window that is shut.
            if (offset >= 0 && offset <= payload.length && (window > 0 || payload.length <= 1)) {
              if (!isEnd) got.push(...payload.slice(offset, offset + Math.max(0, window)));
              if ((flags & TcpFlag.FIN) !== 0 && got.length === expected.length) isEnd = true;
            }
            window = next(3) === 0 ? 0 : 1 + next(500);
            if (isLost(4)) continue;
            endpoint.receive(segment(TcpFlag.ACK | (isEnd ? TcpFlag.FIN : 0), G, H + got.length + (isEnd ? 1 : 0), NONE, window), now);
          }
        }
        t.deepEqual(got, expected);
        t.true(isEnd && endpoint.isClosed);
        t.is(host.destroyed, 0);
      },
    ),
    { numRuns: RUNS },
  );
});

test('no sequence of segments throws, or makes it keep more than it may', (t) => {
  const near = fc.integer({ min: -3, max: 200 });
  const step = fc.record({
    flags: fc.integer({ min: 0, max: 31 }),
    sequence: near,
    acknowledgement: near,
    window: fc.constantFrom(0, 1, 50, 65535),
    bytes: fc.nat(150),
    host: fc.constantFrom('', 'data', 'end', 'drain', 'connect', 'tick'),
  });
  fc.assert(
    fc.property(fc.constantFrom('guest' as const, 'host' as const), fc.array(step, { maxLength: 60 }), (opens, steps) => {
      const { endpoint, host, take, segment } = rig(opens);
      let now = 0;
      for (const { flags, sequence, acknowledgement, window, bytes, host: what } of steps) {
        now += 5000;
        endpoint.receive(segment(flags, G + sequence, H + acknowledgement, new Uint8Array(bytes), window), now);
        if (what === 'data' && !host.paused) endpoint.fromHost(new Uint8Array(70), now);
        if (what === 'end') endpoint.hostEnded(now);
        if (what === 'drain') endpoint.hostDrained();
        if (what === 'connect') endpoint.connected(now);
        if (what === 'tick') endpoint.tick(now);
        t.true(take().length < 10);
        t.true(host.ended <= 1 && host.destroyed <= 1);
      }
    }),
    { numRuns: RUNS },
  );
});
