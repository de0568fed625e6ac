// The file of a recording: cut anywhere it is whole up to there, and whatever else is wrong with it is named and refused.
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import test from 'ava';
import fc from 'fast-check';
import { defaultMachine } from '../../daemon/root/config/machine-file.js';
import { codeDigest } from '../../daemon/root/record/code-digest.js';
import { decodeEvents, encodeEvents } from '../../daemon/root/record/event-codec.js';
import { type Frame, FrameReader, FrameWriter, frameOf, preambleOf } from '../../daemon/root/record/frame-file.js';
import { Recorder } from '../../daemon/root/record/recorder.js';
import { RECORDING_FORMAT } from '../../daemon/root/record/recording.js';
import { scanRecording } from '../../daemon/root/record/scan.js';
import { hvdVersion } from '../../daemon/root/version.js';
import { HvdError } from '../../shared/protocol/errors.js';
import type { MachineConfig, PartitionConfig } from '../../shared/protocol/messages.js';

const folder = mkdtempSync(join(tmpdir(), 'hvd-test-'));
const file = join(folder, 'a.hvdr');
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

const IMAGE = Buffer.from('an image');
const sha256 = createHash('sha256').update(IMAGE).digest('hex');
const EVENTS = [
  { clock: 5, what: 1, a: 2, b: 3 },
  { clock: 4, what: 0xffff_ffff, a: 0, b: 0xffff_ffff },
];
const place = (course: number, lp: number, events: readonly number[]) => ({ course, lp, clock: 7, events, turn: 0, state: {} });
const MACHINE: MachineConfig = { ...defaultMachine(), lps: 2, clock: 'deterministic' };
const HEAD = {
  t: 'head',
  id: 'a',
  hvd: hvdVersion(),
  code: codeDigest(),
  what: 'run',
  machine: MACHINE,
  costs: { ipi: 5 },
};
const FRAMES: readonly Frame[] = [
  HEAD,
  { t: 'file', sha256, name: 'image', bytes: IMAGE.length, embedded: true },
  { t: 'data', data: deflateRawSync(IMAGE) },
  { t: 'input', ...place(0, -1, [0, 0]), kind: 'vm.create', params: { config: { name: 'g' } }, image: sha256 },
  { t: 'events', course: 3, lps: [{ lp: 1, count: EVENTS.length, data: encodeEvents(EVENTS) }] },
  { t: 'input', ...place(3, 1, [0, 2]), kind: 'policy', params: { name: 'vtlb.lock', value: 'fine' } },
  { t: 'end', ...place(9, 0, [0, 2]), traceHash: sha256, memory: { g: sha256 } },
] as unknown as readonly Frame[];

const write = (frames: readonly Frame[]): Buffer => {
  const writer = new FrameWriter(file, 'HVDR', RECORDING_FORMAT);
  for (const frame of frames) writer.write(frame);
  writer.close();
  return readFileSync(file);
};
/** The error that it is refused with. */
const refusal = (bytes: Uint8Array): HvdError | undefined => {
  writeFileSync(file, bytes);
  try {
    scanRecording(file);
    return undefined;
  } catch (error) {
    if (error instanceof HvdError) return error;
    throw error;
  }
};
const refusalOf = (...frames: readonly unknown[]): string => {
  const error = refusal(Buffer.concat([preambleOf('HVDR', RECORDING_FORMAT), ...frames.map((frame) => frameOf(frame as Frame))]));
  return error === undefined ? 'taken' : `${error.code}: ${error.message}`;
};

test('what was written is read', (t) => {
  write(FRAMES);
  const { head, end, inputs, guest, events, files, isOtherBuild } = scanRecording(file);
  t.is(head.machine.lps, 2);
  t.is(end?.course, 9);
  t.deepEqual([inputs, guest, [...events], isOtherBuild], [2, 'g', [0, 2], false]);
  t.deepEqual(Buffer.from(files.get(sha256)!), IMAGE);
});

test('cut at any byte it is whole up to there, or nothing to play', (t) => {
  const whole = write(FRAMES);
  const ends = new Set<number>();
  for (let length = 0; length < whole.length; length++) {
    const error = refusal(whole.subarray(0, length));
    if (error === undefined) {
      const { bytes, end } = scanRecording(file);
      t.true(bytes <= length && end === undefined, `${length}`);
      ends.add(bytes);
    } else t.is(error.code, 'recording.empty', `${length}: ${error.message}`);
  }
  // After the head and each later frame but the last. What is named in a file that is still to come is not missed.
  t.is(ends.size, FRAMES.length - 1);
});

test('a bit that is flipped anywhere is found', (t) => {
  const whole = write(FRAMES);
  for (let at = 0; at < whole.length; at++) {
    const bytes = Buffer.from(whole);
    bytes[at]! ^= 1 << (at & 7);
    const code = refusal(bytes)?.code;
    const wanted = at < 8 ? ['recording.foreign'] : at < 12 ? ['recording.format'] : ['recording.damaged', 'recording.empty'];
    t.true(code !== undefined && wanted.includes(code), `byte ${at}: ${code}`);
    // A length that was changed is not taken for a cut.
    if (at >= 12) t.is(code, 'recording.damaged', `byte ${at}`);
  }
});

test('files that are something else, other formats, other versions: each is named', (t) => {
  t.regex(refusal(Buffer.from('#!/bin/sh\necho no recording at all\n'))!.message, /a\.hvdr: not a recording/);
  t.regex(refusal(preambleOf('HVDS', RECORDING_FORMAT))!.message, /not a recording/);
  t.regex(refusal(preambleOf('HVDR', 99))!.message, new RegExp(`format 99; this hvd reads format ${RECORDING_FORMAT}$`));
  t.regex(refusalOf({ ...HEAD, hvd: '0.0.1' }), /^recording\.version: .*recorded by hvd 0\.0\.1/);
  t.throws(() => scanRecording(join(folder, 'absent')), { message: /absent: cannot be read: ENOENT/ });
});

test('frames that are whole and make no sense are named by field', (t) => {
  const [, image, data, input, events, , end] = FRAMES;
  t.regex(refusalOf(image), /does not begin with a head/);
  t.regex(refusalOf(HEAD, HEAD), /a second head/);
  t.regex(refusalOf({ ...HEAD, machine: { ...HEAD.machine, lps: 65 } }), /head: machine\.lps/);
  t.regex(refusalOf({ ...HEAD, nonsense: 1 }), /nonsense/);
  t.regex(refusalOf(HEAD, { t: 'toString' }), /no frame of a recording is a "toString"/);
  t.regex(refusalOf(HEAD, data), /data of no file/);
  t.regex(refusalOf(HEAD, image, { t: 'data', data: deflateRawSync(Buffer.from('another')) }, input), /image is not what it was/);
  t.regex(refusalOf(HEAD, image, { t: 'data', data: Buffer.from('no deflate') }, input), /recording\.damaged: .*image/);
  t.regex(refusalOf(HEAD, input), /it names a file that is not there/);
  t.regex(refusalOf(HEAD, { ...input, kind: 'vm.explode' }), /input: kind/);
  t.regex(refusalOf(HEAD, { ...events, lps: [{ lp: 2, count: 0, data: Buffer.alloc(0) }] }), /there is no LP 2/);
  t.regex(refusalOf(HEAD, { ...events, lps: [{ lp: 1, count: 3, data: encodeEvents(EVENTS) }] }), /events end too early/);
  t.regex(refusalOf(HEAD, { ...events, lps: [{ lp: 1, count: 1, data: encodeEvents(EVENTS) }] }), /more bytes than events/);
  t.regex(refusalOf(HEAD, { ...end, events: [1, 0] }), /events are missing/);
  t.regex(refusalOf(HEAD, { ...end, events: [0, 0] }, HEAD), /something after its end/);
});

test('an image that is only named must be there, as it was', (t) => {
  const named = (name: string) => refusalOf(HEAD, { ...FRAMES[1], name, embedded: false }, FRAMES[3]);
  t.regex(named(join(folder, 'gone')), /recording\.image: .*gone is not in it, and cannot be read here/);
  const image = join(folder, 'image');
  writeFileSync(image, 'changed');
  t.regex(named(image), /the one here has other contents/);
  writeFileSync(image, IMAGE);
  t.is(named(image), 'taken');
});

test("what a disk held at first must be there, as it was; one that keeps what is written to it can't be recorded", async (t) => {
  const name = join(folder, 'disk');
  const bytes = Buffer.alloc(3 << 20, 7);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  t.regex(refusalOf(HEAD, { t: 'disk', sha256, name }), /recording\.image: .*disk is not in it, and cannot be read here/);
  writeFileSync(name, bytes);
  t.is(refusalOf(HEAD, { t: 'disk', sha256, name }), 'taken');
  writeFileSync(name, bytes.fill(8, 5, 6));
  t.regex(refusalOf(HEAD, { t: 'disk', sha256, name }), /the one here has other contents/);
  const recorder = new Recorder({ file, what: 'machine', config: MACHINE, costs: {}, embed: false });
  const config: PartitionConfig = { name: 'a', image: 'none', vps: 1, memory: 1 << 24, devices: [{ kind: 'disk', file: name }] };
  await t.throwsAsync(recorder.input({ course: 0, lp: -1, clock: 0 }, 'vm.create', { config }), {
    message: /disk: a disk that keeps what is written to it cannot be recorded/,
  });
  recorder.close();
});

test('a frame is at most so long, whatever its length says', (t) => {
  const frame = frameOf({ t: 'head' });
  frame.writeUInt32LE(0x7fff_ffff, 0);
  t.is(refusal(Buffer.concat([preambleOf('HVDR', RECORDING_FORMAT), frame]))?.code, 'recording.damaged');
  const reader = (() => {
    write(FRAMES);
    return new FrameReader(file, 'HVDR', RECORDING_FORMAT);
  })();
  t.is(reader.next()?.t, 'head');
  reader.close();
});

test('events are what they were, whichever they are', (t) => {
  const word = fc.integer({ min: 0, max: 0xffff_ffff });
  const event = fc.record({ clock: fc.integer({ min: 0, max: 2 ** 51 }), what: word, a: word, b: word });
  fc.assert(
    fc.property(fc.array(event), (events) => {
      t.deepEqual(decodeEvents(encodeEvents(events), events.length), events);
    }),
  );
});
