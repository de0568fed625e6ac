// A guest that waits for the world outside and for no timer: whether its time goes on.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { defaultMachine } from '../../daemon/root/config/machine-file.js';
import { silentLog } from '../../daemon/root/log.js';
import { Machine } from '../../daemon/root/machine.js';
import type { MachineConfig } from '../../shared/protocol/messages.js';
import { multibootFlat } from '../rig/boot-images.js';

const MIB = 1 << 20;
const ENTRY = 0x20;
/** HLT for ever, with interrupts off and all timers as they are at reset. */
const HALT = [0xf4, 0xeb, 0xfd];
const WATCHED_MS = 2500;
/** Beyond this a busy host is no excuse. */
const PATIENCE_MS = 60_000;

const image = (): Uint8Array => {
  const bytes = multibootFlat({ load: MIB, entry: MIB + ENTRY, size: 64 });
  bytes.set(HALT, ENTRY);
  return bytes;
};

/**
 * Cycles by which the clock of the guest's LP goes on, in ms of the simulated processor: while the guest runs (and halts) for as long as it is watched,
 * or on until so many have gone by; and while it is paused.
 */
const idleFor = async (changes: Partial<MachineConfig>, until = 0): Promise<{ halted: number; paused: number; elapsed: number }> => {
  const folder = mkdtempSync(join(tmpdir(), 'hvd-test-'));
  const file = join(folder, 'halt.bin');
  writeFileSync(file, image());
  const config = { ...defaultMachine(), lps: 2, pin: false, ...changes };
  const machine = await Machine.start({ config, log: silentLog() });
  const clock = (): number => (machine.stats().lps[0]!.clock * 1000) / config.frequencyHz;
  try {
    await machine.add({ name: 'halt', image: file, vps: 1, memory: MIB * 2 });
    const [from, startedAt] = [clock(), performance.now()];
    await sleep(WATCHED_MS);
    while (clock() - from < until && performance.now() - startedAt < PATIENCE_MS) await sleep(100);
    await machine.enter('vm.pause', { name: 'halt' });
    const [halted, elapsed] = [clock() - from, performance.now() - startedAt];
    await sleep(WATCHED_MS / 2);
    return { halted, elapsed, paused: clock() - from - halted };
  } finally {
    await machine.stop();
    rmSync(folder, { recursive: true, force: true });
  }
};

test("paced: its time goes on with the host's, and stands still while it is paused", async (t) => {
  t.timeout(120_000);
  // The LP looks once a second.
  const { halted, elapsed, paused } = await idleFor({ clock: 'quantum', idle: 'pace' }, WATCHED_MS - 1500);
  t.true(halted > WATCHED_MS - 1500 && halted <= elapsed + 100, `${halted} of ${elapsed} ms`);
  t.true(paused < 100, `${paused} ms`);
});

test('skipped, or deterministic: nothing goes on without something to do', async (t) => {
  t.true((await idleFor({ clock: 'quantum', idle: 'skip' })).halted < 1);
  t.true((await idleFor({ clock: 'deterministic', idle: 'pace' })).halted < 1);
});

test('paced: a key that comes while it sleeps towards a timer comes at the time that has passed, not at the timer', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hvd-test-'));
  const file = join(folder, 'halt.bin');
  writeFileSync(file, image());
  const machine = await Machine.start({ config: { ...defaultMachine(), lps: 1, pin: false, idle: 'pace' }, log: silentLog() });
  try {
    const config = { name: 'halt', image: file, vps: 1, memory: MIB * 2 };
    const startedAt = performance.now();
    // Its own end is its next timer.
    const { body } = await machine.enter('vm.create', { config, endNs: 60e9 });
    await sleep(300);
    await machine.enter('console', { name: 'halt', data: Buffer.from('x') });
    await sleep(300);
    const clock = (machine.stats().lps[0]!.clock * 1000) / machine.config.frequencyHz;
    const elapsed = performance.now() - startedAt;
    t.is(body.stateName, 'running');
    t.true(clock > 0 && clock <= elapsed + 100, `${clock} of ${elapsed} ms`);
  } finally {
    await machine.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});
