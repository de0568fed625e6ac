// A machine that is set up from a snapshot goes on as the one did of which it was taken: events, memory, consoles, all parts of the state.
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { resolveImage } from '../../daemon/root/config/images.js';
import { silentLog } from '../../daemon/root/log.js';
import { Machine } from '../../daemon/root/machine.js';
import { preambleOf } from '../../daemon/root/record/frame-file.js';
import { Replayer } from '../../daemon/root/record/replayer.js';
import type { Layouts } from '../../daemon/root/snapshot/layouts.js';
import { hostRanges, tableRanges, usedPages, usedTables } from '../../daemon/root/snapshot/memory-pages.js';
import { scanSnapshot } from '../../daemon/root/snapshot/scan.js';
import { SNAPSHOT_FORMAT, type SnapshotFrame } from '../../daemon/root/snapshot/snapshot-file.js';
import { hasEnded } from '../../daemon/root/stats.js';
import { waitUntil } from '../../daemon/root/wait-until.js';
import { firstMismatch } from '../../shared/kit/saved.js';
import { HvdError } from '../../shared/protocol/errors.js';
import type { MachineConfig, PartitionConfig } from '../../shared/protocol/messages.js';
import { hvd } from '../rig/hvd-process.js';
import { recordMachine, replayFile } from '../rig/recorded-machine.js';
import { deterministic, goOn, rewriteSnapshot, runThrough } from '../rig/snapshot-machine.js';

const MIB = 1 << 20;
const folder = mkdtempSync(join(tmpdir(), 'hvd-test-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

const guest = (name: string, bits: 32 | 64, vps: number, append: string, changes: Partial<PartitionConfig> = {}): PartitionConfig => ({
  name,
  image: resolveImage(`workload${bits}`, ''),
  vps,
  memory: 8 * MIB,
  append,
  ...changes,
});

interface Case {
  readonly machine: Partial<MachineConfig>;
  readonly guests: readonly PartitionConfig[];
  /** Places of the course at which snapshots are taken: while a guest boots, does its job, near the end. */
  readonly at: readonly number[];
}
const CASES: Readonly<Record<string, Case>> = {
  'guests of each width, VPs that share LPs, spin, halt and change their page tables': {
    machine: { lps: 2, policies: { 'spin.detect': 'pause', 'spin.express': 'on' } },
    guests: [guest('a', 64, 3, 'job=spinlock milliseconds=9'), guest('b', 32, 2, 'job=pagechurn:pages=16,reload=1 milliseconds=9')],
    at: [7, 110],
  },
  'world switches by the page, timers': {
    machine: { lps: 1, policies: { 'world.switch': 'page' } },
    guests: [guest('a', 32, 2, 'job=timer:period=100000 milliseconds=4')],
    at: [16],
  },
  'messages, synthetic timers': {
    machine: { lps: 2 },
    guests: [guest('a', 64, 2, 'job=message milliseconds=9', { hv: { features: 'all' } })],
    at: [60],
  },
};
const fileOf = (name: string, index: number): string => join(folder, `${name.slice(0, 6)}-${index}.hvds`);
const [FIRST, SWITCHES] = Object.keys(CASES) as [string, string];

/** What a snapshot has of a machine's memories is all that they hold. */
const checkRanges = (t: ExecutionContext, { memory, partitions }: Machine): void => {
  const { length } = memory.lps;
  const all = [
    ...partitions.all.map(
      ({
        body: {
          memory: { buffer },
        },
      }) => [buffer, tableRanges(buffer.byteLength, length), usedTables(buffer, length)] as const,
    ),
    [memory.host.buffer, hostRanges(length), hostRanges(length, memory.host.buffer)] as const,
  ];
  for (const [buffer, whole, used] of all) t.deepEqual(new Set(usedPages(buffer, used)), new Set(usedPages(buffer, whole)));
};

for (const [name, { machine, guests, at }] of Object.entries(CASES))
  test.serial(name, async (t) => {
    t.timeout(180_000);
    const config = deterministic(machine);
    const straight = await runThrough(config, guests, at, (index) => fileOf(name, index));
    t.regex(Object.values(straight.consoles).join(''), /DONE errors=0/);
    t.true(
      at.every((place) => place < straight.course),
      `${straight.course} places`,
    );
    if (name === SWITCHES) {
      // As a user does it: recorded from there on, and played.
      const recording = join(folder, 'switches.hvdr');
      const { stdout } = await hvd('record', '-o', recording, '--restore', fileOf(name, 0), '--hash');
      t.regex(stdout, new RegExp(`DONE errors=0\\n+trace ${straight.trace} memory `));
      const { outcome, divergence } = await replayFile(recording);
      t.is(outcome, 'reproduced', JSON.stringify(divergence));
    } else for (const index of at.keys()) t.deepEqual(await goOn(fileOf(name, index)), straight, `from place ${at[index]}`);
    // Whoever looks leaves no trace.
    if (name === FIRST) t.deepEqual(await runThrough(config, guests, [], String, undefined, (one) => checkRanges(t, one)), straight);
  });

test.serial('a recording that begins with a snapshot is played from there, and from the middle, and compared to its end', async (t) => {
  t.timeout(120_000);
  const recording = join(folder, 'a.hvdr');
  const begin = join(folder, 'begin.hvds');
  const middle = join(folder, 'middle.hvds');
  copyFileSync(fileOf(FIRST, 0), begin);
  await recordMachine(
    recording,
    {},
    async (machine) => {
      await machine.enter('policy', { name: 'sched.policy', value: 'rr' });
      await machine.snapshot(middle);
      await machine.enter('policy', { name: 'sched.policy', value: 'credit' });
      await waitUntil(() => machine.partitions.all.every(({ body }) => hasEnded(body.state)), 60_000);
    },
    begin,
  );
  for (const from of [undefined, middle]) {
    const { outcome, divergence, inputs, events, recorded } = await replayFile(recording, undefined, from);
    t.is(outcome, 'reproduced', JSON.stringify(divergence));
    t.is(inputs, recorded.inputs);
    t.deepEqual(events, recorded.events);
  }
  const refused = async (from: string | undefined, why: RegExp): Promise<void> => {
    const error = await t.throwsAsync(replayFile(recording, undefined, from), { instanceOf: HvdError });
    t.regex(error.message, why);
  };
  await refused(fileOf(SWITCHES, 0), /not a snapshot of this recording: it was taken of a machine that was not recorded$/);
  copyFileSync(fileOf(SWITCHES, 0), begin);
  await refused(undefined, /a\.hvdr: \S+begin\.hvds is not in it, and the one here is another one$/);
  rmSync(begin);
  await refused(undefined, /a\.hvdr: \S+begin\.hvds is not in it, and is not here either$/);
  // Wherever it is now.
  const replayer = await Replayer.start(recording, silentLog(), { cycle: 0 }, undefined, fileOf(FIRST, 0));
  t.is(await replayer.finished, 'until');
  await replayer.stop();
});

const file = join(folder, 'changed.hvds');
const refused = (t: ExecutionContext, code: string, detail: RegExp): void => {
  const error = t.throws(() => scanSnapshot(file), { instanceOf: HvdError });
  t.is(error.code, code);
  t.regex(error.message, detail);
};

test.serial('a file that is not whole, not of this version, not a snapshot: refused with what is wrong with it', (t) => {
  const bytes = readFileSync(fileOf(FIRST, 0));
  for (const share of [0.001, 0.3, 0.999]) {
    writeFileSync(file, bytes.subarray(0, Math.floor(bytes.length * share)));
    refused(t, share < 0.01 ? 'snapshot.empty' : 'snapshot.cut', /cut at byte \d+/);
  }
  for (const at of [200, bytes.length >> 1]) {
    writeFileSync(file, Buffer.concat([bytes.subarray(0, at), Buffer.of(bytes[at]! ^ 1), bytes.subarray(at + 1)]));
    refused(t, 'snapshot.damaged', /damaged at byte \d+/);
  }
  writeFileSync(file, Buffer.concat([preambleOf('HVDS', SNAPSHOT_FORMAT + 1), bytes.subarray(12)]));
  refused(t, 'snapshot.format', new RegExp(`in format ${SNAPSHOT_FORMAT + 1}; this hvd reads format ${SNAPSHOT_FORMAT}$`));
  writeFileSync(file, Buffer.concat([preambleOf('HVDR', SNAPSHOT_FORMAT), bytes.subarray(12)]));
  refused(t, 'snapshot.foreign', /not a snapshot of hvd/);
  rewriteSnapshot(fileOf(FIRST, 0), file, (frame) => (frame.t === 'head' ? { ...frame, hvd: '0.0.1' } : frame));
  refused(t, 'snapshot.version', /taken by hvd 0\.0\.1, this is/);
});

test.serial('a field of memory that is missing, unknown, longer or elsewhere is named', (t) => {
  const from = fileOf(FIRST, 0);
  const without = (fields: object, name: string): object => Object.fromEntries(Object.entries(fields).filter(([key]) => key !== name));
  for (const name of Object.keys(scanSnapshot(from).fields)) {
    rewriteSnapshot(from, file, (frame) =>
      frame.t === 'machine' ? ({ ...frame, fields: without(frame.fields, name) } as SnapshotFrame) : frame,
    );
    const error = t.throws(() => scanSnapshot(file), { instanceOf: HvdError });
    t.is(error.message, `${file}: ${name}: it is not there`);
    if (name.startsWith('LP 0.')) break;
  }
  const change = (fields: Readonly<Record<string, Uint8Array>>): void =>
    rewriteSnapshot(from, file, (frame) => (frame.t === 'machine' ? { ...frame, fields: { ...frame.fields, ...fields } } : frame));
  change({ 'LP 0.clock': new Uint8Array(9) });
  refused(t, 'snapshot.field', /LP 0\.clock: it has 9 bytes, not 8$/);
  change({ 'LP 0.speed': new Uint8Array(8) });
  refused(t, 'snapshot.field', /LP 0\.speed: this hvd has no such field$/);
  const moved = (name: string, place: readonly number[] | undefined): void =>
    rewriteSnapshot(from, file, (frame) =>
      frame.t === 'head'
        ? { ...frame, layouts: place === undefined ? (without(frame.layouts, name) as Layouts) : { ...frame.layouts, [name]: place } }
        : frame,
    );
  moved('VpBlock.cr3', [1, 8]);
  refused(t, 'snapshot.field', /VpBlock\.cr3: it is at 1 and has 8 bytes, not at \d+ with 8 bytes$/);
  moved('VpBlock.cr3', undefined);
  refused(t, 'snapshot.field', /VpBlock\.cr3: it is not there$/);
});

test.serial('what an LP is not told of beside memory it names, each field alone, and nothing is left of the machine', async (t) => {
  t.timeout(60_000);
  const [known] = scanSnapshot(fileOf(FIRST, 1)).lps;
  const paths = [...pathsOf(known)];
  t.true(paths.length > 40, paths.join(' '));
  for (const path of paths) t.deepEqual(firstMismatch(known, withoutPath(known, path)), { field: path, why: 'it is not there' });
  t.deepEqual(firstMismatch(known, { ...(known as object), last: 'x' }), { field: 'last', why: 'it is a string, not a number' });
  const scan = scanSnapshot(fileOf(FIRST, 1));
  const lps = [scan.lps[0], withoutPath(scan.lps[1], 'queue.floor')];
  const error = await t.throwsAsync(Machine.start({ config: scan.head.machine, log: silentLog(), restore: { ...scan, lps } }), {
    instanceOf: HvdError,
  });
  t.is(error.message, `${scan.file}: LP 1.queue.floor: it is not there`);
});

/** Names that lead to each field of objects in objects. */
function* pathsOf(value: unknown, path = ''): Generator<string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array) return;
  for (const [name, field] of Object.entries(value)) {
    const own = path === '' ? name : `${path}.${name}`;
    yield own;
    yield* pathsOf(field, own);
  }
}
const withoutPath = (value: unknown, path: string): unknown => {
  const [name, ...rest] = path.split('.') as [string, ...string[]];
  const { [name]: field, ...others } = value as Record<string, unknown>;
  return rest.length === 0 ? others : { ...others, [name]: withoutPath(field, rest.join('.')) };
};
