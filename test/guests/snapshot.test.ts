// A machine that is set up from a snapshot goes on as the one did of which it was taken: events, memory, consoles, all parts of the state.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { resolveImage } from '../../daemon/root/config/images.js';
import type { MachineConfig, PartitionConfig } from '../../shared/protocol/messages.js';
import { deterministic, goOn, runThrough } from '../rig/snapshot-machine.js';

const MIB = 1 << 20;
const folder = mkdtempSync(join(tmpdir(), 'hvd-test-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

const guest = (name: string, bits: 32 | 64, vps: number, append: string, changes: Partial<PartitionConfig> = {}): PartitionConfig => ({
  name,
  image: resolveImage(`workload${bits}`, ''),
  vps,
  memory: 16 * MIB,
  append,
  ...changes,
});

const CASES: Readonly<Record<string, readonly [Partial<MachineConfig>, readonly PartitionConfig[]]>> = {
  'three VPs on two LPs': [{ lps: 2 }, [guest('a', 64, 3, 'job=spinlock milliseconds=20')]],
  'a guest of each width': [
    { lps: 2 },
    [guest('a', 64, 2, 'job=ipi milliseconds=8'), guest('b', 32, 2, 'job=pagechurn:pages=16,reload=1 milliseconds=8')],
  ],
  'world switches': [{ lps: 1, policies: { 'world.switch': 'page' } }, [guest('a', 32, 2, 'job=ipi milliseconds=4')]],
  'timers and messages': [
    { lps: 2, policies: { 'spin.detect': 'pause', 'spin.express': 'on' } },
    [guest('a', 64, 4, 'job=hvipc milliseconds=8', { hv: { features: 'all' } })],
  ],
};

for (const [name, [changes, guests]] of Object.entries(CASES))
  test.serial(name, async (t) => {
    t.timeout(120_000);
    const config = deterministic(changes);
    const straight = await runThrough(config, guests);
    t.log(straight.course, straight.clocks, Object.values(straight.consoles).join('').slice(-300));
    const places = [0.1, 0.5, 0.9].map((share) => Math.floor(straight.course * share));
    const fileOf = (index: number): string => join(folder, `${name}-${index}.hvds`);
    t.deepEqual(await runThrough(config, guests, places, fileOf), straight, 'with snapshots on the way');
    for (const index of places.keys()) t.deepEqual(await goOn(fileOf(index)), straight, `from place ${places[index]}`);
  });
