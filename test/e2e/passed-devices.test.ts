// Test devices of the machine, passed through to two guests that share an LP and finish in an order of their own; told what to do as a user does it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import anyTest, { type TestFn } from 'ava';
import { resolveImage } from '../../daemon/root/config/images.js';
import { defaultMachine } from '../../daemon/root/config/machine-file.js';
import { type Daemon, startDaemon } from '../../daemon/root/daemon.js';
import { silentLog } from '../../daemon/root/log.js';
import { connect, type HvdClient } from '../../shared/client/client.js';
import type { DeviceConfig, DeviceInfo, PartitionConfig } from '../../shared/protocol/messages.js';
import { hvd } from '../rig/hvd-process.js';

const test = anyTest as TestFn<{ folder: string; daemon: Daemon; client: HvdClient }>;

/** `slow` keeps an interrupt for so long that others come and go meanwhile. */
const partition = (name: string, hold: number): PartitionConfig => ({
  name,
  image: resolveImage('workload64', ''),
  vps: 1,
  memory: 8 << 20,
  load: { job: 'device', parameters: { hold } },
  autostart: true,
});
const device = (name: string, lp: number, vector: number, trigger: 'edge' | 'level', to: string, guestVector: number): DeviceConfig => ({
  name,
  lp,
  vector,
  trigger,
  partition: to,
  vp: 0,
  guestVector,
});
const DEVICES = [
  device('low', 0, 0x31, 'level', 'quick', 0x81),
  device('middle', 0, 0x52, 'edge', 'quick', 0x92),
  device('high', 0, 0x73, 'level', 'slow', 0xa3),
  device('other', 1, 0x45, 'edge', 'slow', 0xb4),
];

test.beforeEach(async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hvd-test-'));
  const socket = join(folder, 'hvd.sock');
  // Both guests on one LP, whose slices cut the long service of the one in pieces.
  const config = {
    ...defaultMachine(),
    lps: 2,
    pin: false,
    // LPs are apart by a turn at most: how long a guest keeps an interrupt does not hang on the host.
    clock: 'deterministic' as const,
    quantumCycles: 800_000,
    policies: { 'sched.balance': 'off' },
    partitions: [partition('quick', 20_000), partition('slow', 50_000)],
    devices: DEVICES,
  };
  const daemon = await startDaemon({ config, log: silentLog(), socket });
  const client = await connect({ socket });
  t.context = { folder, daemon, client };
  // A guest that boots is late with whatever comes: it is passed over, and has not finished what has ended.
  for (let i = 0; i < 400; i++) {
    const { partitions } = await client.request('stats', {});
    if (partitions.length === 2 && partitions.every(({ load }) => load[0]?.job === 'device')) return;
    await sleep(25);
  }
  throw new Error('the guests never came to their job');
});
test.afterEach.always(async ({ context }) => {
  await context.client.close();
  await context.daemon.stop();
  rmSync(context.folder, { recursive: true, force: true });
});

const PERIODS: Readonly<Record<string, number>> = { low: 90_000, middle: 70_000, high: 900_000, other: 1_100_000 };

const named = (devices: readonly DeviceInfo[], name: string): DeviceInfo => devices.find((d) => d.name === name)!;

/** Waits until the devices, or some of them, are as `good` says. */
const until = async (client: HvdClient, good: (devices: readonly DeviceInfo[]) => boolean): Promise<readonly DeviceInfo[]> => {
  let devices: readonly DeviceInfo[] = [];
  for (let i = 0; i < 400; i++) {
    devices = await client.request('device.list', {});
    if (good(devices)) return devices;
    await sleep(25);
  }
  throw new Error(`never: ${good}\n${JSON.stringify(devices, undefined, 1)}`);
};

/** All devices rise by themselves until each has been served some times; then everything comes to rest. */
const run = async (client: HvdClient, times: number): Promise<readonly DeviceInfo[]> => {
  const before = await client.request('device.list', {});
  for (const { name } of DEVICES) await client.request('device.period', { name, cycles: PERIODS[name]! });
  await until(client, (devices) => devices.every(({ ended }, i) => ended - before[i]!.ended >= times));
  for (const { name } of DEVICES) await client.request('device.period', { name, cycles: 0 });
  return until(client, (devices) => devices.every((d) => d.ended === d.taken && !d.asserted && !d.serving));
};

test.serial(
  'interrupts that are passed through end when their guests finish: those below the top are deferred unless the hardware can end them',
  async (t) => {
    t.timeout(300_000);
    const { client } = t.context;
    const deferring = await run(client, 10);
    t.true(named(deferring, 'low').deferredCycles > 0, 'finished below one in service');
    t.is(named(deferring, 'high').deferredCycles, 0, 'nothing is above it');
    for (const { name, finished, ended, raised, servedCycles } of deferring) {
      t.is(finished, ended, name);
      t.true(raised >= ended && servedCycles > 0, name);
    }
    await client.request('policy.set', { name: 'apic.physicalSeoi', value: 'on' });
    const selective = await run(client, 10);
    for (const [i, { deferredCycles, name }] of selective.entries()) t.is(deferredCycles, deferring[i]!.deferredCycles, name);
    const { partitions } = await client.request('stats', {});
    for (const { load, name } of partitions) t.true(load[0]!.operations > 0 && load[0]!.latencyCount > 0, name);
  },
);

test.serial('a user raises, lowers and lists devices, also when their guest is gone and comes back', async (t) => {
  t.timeout(300_000);
  const { client, daemon } = t.context;
  const hvdAt = (...args: string[]) => hvd('device', ...args, '--socket', daemon.socket);
  const json = async (name: string): Promise<DeviceInfo> => named(JSON.parse((await hvdAt('list', '--json')).stdout), name);
  t.deepEqual(await hvdAt('raise', 'low'), { status: 0, stdout: '', stderr: '' });
  await until(client, (devices) => named(devices, 'low').ended === 1);
  t.like(await json('low'), { raised: 1, taken: 1, finished: 1, asserted: false, partition: 'quick', guestVector: 0x81, trigger: 'level' });
  t.regex((await hvdAt('list')).stdout, /^DEVICE +LP +VECTOR +TRIGGER[\s\S]*\nlow +0 +0x31 +level +quick\/0 +0x81 +low +1 +1 +1 /);

  await client.request('vm.destroy', { name: 'quick' });
  t.is((await hvdAt('raise', 'low')).status, 0);
  await until(client, (devices) => named(devices, 'low').masked && named(devices, 'low').asserted);
  t.like(await json('low'), { serving: false, raised: 2 });
  t.is((await hvdAt('lower', 'low')).status, 0);
  await until(client, (devices) => !named(devices, 'low').asserted);
  // The slot goes to a stranger first: nothing comes to it.
  const before = named(await client.request('device.list', {}), 'middle').taken;
  await client.request('vm.create', { ...partition('stranger', 1000) });
  t.is((await hvdAt('raise', 'middle')).status, 0);
  await client.request('vm.create', { ...partition('quick', 1000) });
  const stranger = (await client.request('stats', {})).partitions.find(({ name }) => name === 'stranger')!;
  t.deepEqual(
    Object.keys(stranger.interrupts.byVector)
      .map(Number)
      .filter((vector) => vector >= 0x70),
    [],
  );
  await hvdAt('raise', 'middle');
  await until(client, (devices) => named(devices, 'middle').finished > before);

  t.deepEqual(await hvdAt('raise', 'nobody'), {
    status: 66,
    stdout: '',
    stderr: 'hvd: no device named nobody (hvd device list shows them)\n',
  });
  const wrong = await hvdAt('period', 'low', '10');
  t.is(wrong.status, 65);
  t.regex(wrong.stderr, /expected 0 or 5000 to 4294967295 cycles, got 10/);
});
