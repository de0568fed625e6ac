// A recording is played again bit for bit, whatever came from outside and whenever; and where the machine takes another course, that is found and named.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { resolveImage } from '../../daemon/root/config/images.js';
import { readConsole } from '../../daemon/root/console.js';
import type { Machine } from '../../daemon/root/machine.js';
import { encodeEvents } from '../../daemon/root/record/event-codec.js';
import { eventsOf, type InputFrame } from '../../daemon/root/record/recording.js';
import type { ReplayReport } from '../../daemon/root/record/replayer.js';
import { waitUntil } from '../../daemon/root/wait-until.js';
import type { TapeEvent } from '../../shared/layout/event-tape.js';
import type { PartitionConfig } from '../../shared/protocol/messages.js';
import { recordMachine, replayFile, rewriteRecording } from '../rig/recorded-machine.js';

const MIB = 1 << 20;
/** What an LP runs at once where it is not alone: at most a step, and what one instruction goes beyond it. */
const TURN_CYCLES = 2_000_000;
const folder = mkdtempSync(join(tmpdir(), 'hvd-test-'));
const file = join(folder, 'a.hvdr');
/** Of the recording that all tests here are about. */
let whole: ReplayReport;
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

const guest = (name: string, bits: 32 | 64, vps: number, changes: Partial<PartitionConfig> = {}): PartitionConfig => ({
  name,
  image: resolveImage(`workload${bits}`, ''),
  vps,
  memory: 16 * MIB,
  ...changes,
});
const said = (machine: Machine, name: string): string => Buffer.from(readConsole(machine.partitions.get(name), 0).bytes).toString('latin1');

/** Comes in again and again, at moments of the host's: keys, jobs, policies, partitions that pause, end and come. */
const disturb = async (machine: Machine): Promise<void> => {
  await machine.add(guest('a', 64, 2));
  await machine.add(guest('b', 32, 2, { load: { job: 'ipi' } }));
  if (!(await waitUntil(() => said(machine, 'a').includes('READY') && said(machine, 'b').includes('READY'), 60_000)))
    throw new Error('no guest came up');
  await machine.enter('load.set', { name: 'a', load: { job: 'spinlock' } });
  for (const value of ['fine', 'global', 'generation']) {
    await machine.enter('policy', { name: 'vtlb.lock', value });
    await sleep(7);
    await machine.enter('console', { name: 'a', data: Buffer.from(`${value}\r`) });
  }
  await machine.enter('policy', { name: 'apic.eoi', value: 'exit', vm: 'b' });
  await machine.enter('vm.pause', { name: 'b' });
  await machine.enter('load.set', { name: 'b', load: { job: 'pagechurn', parameters: { pages: 16 } } });
  await sleep(11);
  await machine.enter('vm.resume', { name: 'b' });
  await machine.enter('policy', { name: 'sched.policy', value: 'rr' });
  await machine.enter('vm.schedule', { name: 'b', change: { weight: 300, reserve: 20, limit: 60, lps: [1] } });
  const { vps } = machine.partitions.get('b').body;
  if (!(await waitUntil(() => vps.every(({ lp }) => lp === 1), 60_000))) throw new Error('a VP is where it may not be');
  await sleep(13);
  await machine.enter('vm.destroy', { name: 'a' });
  await machine.enter('vm.destroy', { name: 'nobody' }).catch(() => undefined);
  await machine.enter('load.stop', { name: 'b' });
  await sleep(50);
};

test.serial('what came in at any moment of the host comes in at the same place of the course', async (t) => {
  t.timeout(300_000);
  await recordMachine(file, { lps: 2 }, disturb);
  whole = await replayFile(file);
  t.is(whole.outcome, 'reproduced', JSON.stringify(whole.divergence));
  t.deepEqual(whole.events, whole.recorded.events);
  t.true(whole.inputs >= 14 && whole.events.every((count) => count > 0));
});

test.serial('an input that is not in the recording is missed, whichever it is', async (t) => {
  t.timeout(300_000);
  const kinds: string[] = [];
  rewriteRecording(file, join(folder, 'copy'), (frame) => {
    if (frame.t === 'input') kinds.push(frame.kind);
    return frame;
  });
  const changed = join(folder, 'less.hvdr');
  const missing = ['console', 'load.deliver', 'policy'].map((kind) => kinds.indexOf(kind));
  t.true(missing.every((index) => index > 0));
  for (const index of missing) {
    let n = 0;
    rewriteRecording(file, changed, (frame) => (frame.t === 'input' && n++ === index ? undefined : frame));
    const { outcome, divergence } = await replayFile(changed);
    t.is(outcome, 'diverged', `without input ${index}, ${kinds[index]}`);
    t.regex(`${divergence!.where}: ${divergence!.expected}; ${divergence!.found}`, /(LP \d|place \d+).*(cycle \d+|at rest)/);
  }
});

test.serial('an event, a place, a hash that is another one is named', async (t) => {
  t.timeout(300_000);
  const changed = join(folder, 'other.hvdr');
  const named = async (): Promise<string> => {
    const { outcome, divergence } = await replayFile(changed);
    return `${outcome} ${divergence?.where}: expected ${divergence?.expected}; found ${divergence?.found}`;
  };
  rewriteRecording(file, changed, (frame) => (frame.t === 'end' ? { ...frame, memory: { ...frame.memory, b: '0'.repeat(64) } } : frame));
  t.regex(await named(), /^diverged the end, b: expected memory 0{64}; found memory [0-9a-f]{64}$/);
  const isPolicy = (frame: { t: string }): frame is InputFrame => frame.t === 'input' && (frame as InputFrame).kind === 'policy';
  let policies = 0;
  rewriteRecording(file, changed, (frame) => (isPolicy(frame) && policies++ === 0 ? { ...frame, clock: frame.clock + 1 } : frame));
  t.regex(await named(), /^diverged place \d+, .*: expected the input policy at place \d+, .*; found place/);
});

test.serial('the first event that differs is where it stops, and it is named', async (t) => {
  t.timeout(300_000);
  const changed = join(folder, 'event.hvdr');
  const index = Math.floor(whole.events[0]! / 2);
  let before = 0;
  let original: TapeEvent | undefined;
  rewriteRecording(file, changed, (frame) => {
    if (frame.t !== 'events') return frame;
    const lps = frame.lps.map((one) => {
      if (one.lp !== 0) return one;
      const events = eventsOf(one);
      original ??= events[index - before];
      const altered = events.map((event, n) => (before + n === index ? { ...event, b: (event.b ^ 1) >>> 0 } : event));
      before += events.length;
      return { ...one, data: encodeEvents(altered) };
    });
    return { ...frame, lps };
  });
  const { outcome, divergence, events } = await replayFile(changed);
  t.is(outcome, 'diverged');
  t.is(events[0], index);
  t.is(divergence!.where, `LP 0, event ${index}`);
  const { clock, a, b } = original!;
  t.true(divergence!.found.endsWith(` at cycle ${clock} (${a}, ${b})`), divergence!.found);
  t.true(divergence!.expected.endsWith(` at cycle ${clock} (${a}, ${(b ^ 1) >>> 0})`), divergence!.expected);
});

test.serial('it stops where it is told to', async (t) => {
  t.timeout(300_000);
  const event = Math.floor(whole.events[1]! / 2);
  const { outcome, events } = await replayFile(file, { lp: 1, event });
  t.is(outcome, 'until');
  t.is(events[1], event);
  const cycle = Math.floor(Math.max(...whole.clocks) / 2);
  const at = await replayFile(file, { cycle });
  t.is(at.outcome, 'until');
  t.true(at.clocks.some((clock) => clock >= cycle) && at.clocks.every((clock) => clock < cycle + TURN_CYCLES));
});

test.serial('a recording that was cut is the same up to there', async (t) => {
  t.timeout(300_000);
  const bytes = readFileSync(file);
  const cut = join(folder, 'cut.hvdr');
  for (const share of [0.5, 0.9]) {
    writeFileSync(cut, bytes.subarray(0, Math.floor(bytes.length * share)));
    const { outcome, events, inputs, recorded, divergence } = await replayFile(cut);
    t.is(outcome, 'cut', JSON.stringify(divergence));
    t.false(recorded.isWhole);
    t.true(events.every((count, lp) => count <= recorded.events[lp]!) && inputs === recorded.inputs);
  }
});
