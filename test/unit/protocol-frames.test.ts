// Frames of the control socket: what goes in comes out, however the stream is cut; what is not a frame is refused by code.
import test from 'ava';
import fc from 'fast-check';
import { bodyOf, ERRORS, type ErrorCode, HvdError } from '../../shared/protocol/errors.js';
import { encodeFrame, FrameReader } from '../../shared/protocol/frames.js';
import { FRAME_MAX } from '../../shared/protocol/messages.js';
import { DEPTH_MAX, msgpackMistake } from '../../shared/protocol/msgpack-check.js';

const frameOf = (body: Uint8Array, length = body.length): Buffer => {
  const header = Buffer.alloc(4);
  header.writeUInt32LE(length, 0);
  return Buffer.concat([header, body]);
};

test('values survive any cutting of the stream', (t) => {
  const value = fc.dictionary(
    fc.string({ minLength: 1 }).filter((key) => key !== '__proto__'),
    fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null), fc.double({ noNaN: true }), fc.array(fc.integer())),
  );
  fc.assert(
    fc.property(fc.array(value, { maxLength: 5 }), fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (values, cuts) => {
      const stream = Buffer.concat(values.map(encodeFrame));
      const reader = new FrameReader();
      const out: unknown[] = [];
      for (let at = 0, i = 0; at < stream.length; i++) {
        const piece = stream.subarray(at, at + cuts[i % cuts.length]);
        out.push(...reader.take(Buffer.from(piece)));
        at += piece.length;
      }
      // msgpack has no -0 among its integers, and objects come out with a prototype; infinities are doubles like others.
      const expected = values.map((each) => Object.fromEntries(Object.entries(each).map(([key, v]) => [key, Object.is(v, -0) ? 0 : v])));
      t.deepEqual(out, expected as unknown[], `cuts ${cuts.join()}`);
      t.is(reader.buffered, 0);
    }),
    { numRuns: 200, examples: [[[{ low: -Infinity, high: Infinity }], [3]]] },
  );
});

test('numbers beyond 32 bits stay numbers', (t) => {
  const [value] = new FrameReader().take(encodeFrame({ clock: 2 ** 40 + 1, big: 12345678901234n }));
  t.deepEqual(value, { clock: 2 ** 40 + 1, big: 12345678901234 });
});

test('binary data does not alias the receive buffer', (t) => {
  const frame = encodeFrame({ data: new Uint8Array([1, 2, 3]) });
  const [value] = new FrameReader().take(frame) as { data: Uint8Array }[];
  frame.fill(0);
  t.deepEqual([...value!.data], [1, 2, 3]);
});

test('a frame that is too long is refused at its fourth byte', (t) => {
  const header = Buffer.alloc(4);
  header.writeUInt32LE(FRAME_MAX + 1, 0);
  const error = t.throws(() => new FrameReader().take(header), { instanceOf: HvdError });
  t.is(error.code, 'protocol.frame-too-long');
  t.throws(() => encodeFrame({ data: new Uint8Array(FRAME_MAX) }), { instanceOf: HvdError, code: 'protocol.frame-too-long' });
});

test('what is not msgpack is refused, never thrown as something else', (t) => {
  const bodies = [
    Buffer.alloc(0),
    Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff]),
    Buffer.from([0xdf, 0x7f, 0xff, 0xff, 0xff]),
    Buffer.from([0xc9, 0xff, 0xff, 0xff, 0xff, 1]),
    Buffer.from([0x81, 0xa1]),
    Buffer.from([1, 2, 3]),
    Buffer.alloc(FRAME_MAX, 0x91),
  ];
  for (const body of bodies) {
    const error = t.throws(() => new FrameReader().take(frameOf(body)), { instanceOf: HvdError }, body.subarray(0, 8).toString('hex'));
    t.is(error.code, 'protocol.not-msgpack');
  }
});

test('what msgpack can say and a frame may not is refused with its place', (t) => {
  const wrong = (why: string, ...body: number[]): void => {
    const error = t.throws(() => new FrameReader(100).take(frameOf(Buffer.from(body))), { instanceOf: HvdError }, why);
    t.is(error.message, `frame is not msgpack: ${why}`);
  };
  wrong('byte 0: no value begins with c1', 0xc1);
  wrong('byte 1: an extension', 0x91, 0xd4, 0x78);
  wrong('byte 0: an extension', 0xc7, 1, 0x65, 0);
  wrong('byte 0: an extension', 0xd6, 0xff, 0, 0, 0, 0);
  wrong('byte 1: a key of a map is not text', 0x81, 1, 2);
  wrong('byte 3: a key of a map is not text', 0x82, 0xa0, 0x90, 0x90, 0);
  wrong('byte 1: a length of 6 bytes where 2 are left', 0x91, 0xa5, 0x78);
  wrong('byte 5: 4294967295 entries where 0 bytes are left', 0xdd, 0xff, 0xff, 0xff, 0xff);
  wrong('byte 3: 255 entries where 1 bytes are left', 0xde, 0, 255, 0);
  wrong('byte 0: it ends within a length', 0xdb, 0, 0, 0);
  wrong('byte 3: it ends within a value', 0x92, 0xa1, 0x61);
  wrong('byte 1: bytes behind the value', 0xc0, 0xc0);
  wrong(`byte 33: deeper than ${DEPTH_MAX}`, ...Array(DEPTH_MAX + 1).fill(0x91), 0xc0);
  wrong('byte 102: more than 100 values', 0xdc, 0, 200, ...Array(200).fill(0xc0));
  t.is(new FrameReader(100).take(frameOf(Buffer.from([...Array(DEPTH_MAX).fill(0x91), 0xc0]))).length, 1);
  t.deepEqual(new FrameReader().take(frameOf(Buffer.from([0xd4, 0, 0]))), [undefined]);
});

test('each family of values is taken whole, and wherever it is cut there is no value', (t) => {
  const values = [
    null,
    true,
    1,
    200,
    70_000,
    2 ** 33,
    -1,
    -200,
    -70_000,
    -(2 ** 33),
    1.5,
    'a',
    'b'.repeat(40),
    'c'.repeat(300),
    'd'.repeat(70_000),
  ];
  const bytes = [new Uint8Array(3), new Uint8Array(300), new Uint8Array(70_000)];
  const lists = [
    [1],
    Array(20).fill(1),
    Array(70_000).fill(1),
    { a: 1 },
    Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`k${i}`, i])),
  ];
  for (const value of [...values, ...bytes, ...lists]) {
    const body = encodeFrame(value).subarray(4);
    t.is(msgpackMistake(body, 0, body.length, FRAME_MAX), undefined);
    for (const cut of [body.length - 1, body.length >> 1, 1].filter((at) => at < body.length))
      t.not(msgpackMistake(body, 0, cut, FRAME_MAX), undefined, `${typeof value} ${body[0]!.toString(16)} at ${cut}`);
  }
});

test('a frame that comes byte by byte costs its length, not its pieces', (t) => {
  const frame = encodeFrame({ text: 'x'.repeat(200_000) });
  const reader = new FrameReader();
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  for (let at = 0; at < frame.length - 1; at++) {
    // As a socket gives it: each piece is memory of its own.
    reader.push(Buffer.from(frame.subarray(at, at + 1)));
    if (at % 10_000 === 0) most = Math.max(most, process.memoryUsage().arrayBuffers - before);
  }
  t.true(most < 4 << 20, `${most} bytes`);
  t.false(reader.isReady());
  reader.push(frame.subarray(-1));
  t.true(reader.isReady());
  t.is((reader.read() as { text: string }).text.length, 200_000);
  t.is(reader.buffered, 0);
});

test('random bytes give values or typed errors', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (body) => {
      try {
        new FrameReader().take(frameOf(body));
      } catch (error) {
        if (!(error instanceof HvdError)) throw error;
      }
    }),
    { numRuns: 2000 },
  );
  t.pass();
});

test('prototypes are not polluted', (t) => {
  const body = Buffer.concat([Buffer.from([0x81, 0xa9]), Buffer.from('__proto__'), Buffer.from([0x81, 0xa1, 0x78, 0x01])]);
  new FrameReader().take(frameOf(body));
  t.false('x' in {});
});

test('every error is one line, and crosses the socket with its code and exit status', (t) => {
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    const error = new HvdError(code, { why: 'a\nb\u0007c', what: 'x\ny' });
    t.notRegex(error.message, /\p{Cc}/u, code);
    const copy = HvdError.fromBody(JSON.parse(JSON.stringify(bodyOf(error))));
    t.is(copy.code, code);
    t.is(copy.message, error.message);
    t.is(copy.exit, ERRORS[code].exit);
    t.true(copy instanceof HvdError && copy instanceof Error);
  }
});

test('an error that nobody typed becomes internal', (t) => {
  t.is(bodyOf(new TypeError('oops')).code, 'internal');
});
