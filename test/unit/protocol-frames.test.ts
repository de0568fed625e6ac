// Frames of the control socket: what goes in comes out, however the stream is cut; what is not a frame is refused by code.
import test from 'ava';
import fc from 'fast-check';
import { bodyOf, ERRORS, type ErrorCode, HvdError } from '../../shared/protocol/errors.js';
import { encodeFrame, FrameReader } from '../../shared/protocol/frames.js';
import { FRAME_MAX } from '../../shared/protocol/messages.js';

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
