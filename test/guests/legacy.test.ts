// Guests that need legacy super-mode: one of real mode, a monitor of virtual-8086 tasks, and both beside a 32-bit and a 64-bit kernel on the same two LPs.
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { resolveImage } from '../../daemon/root/config/images.js';
import { defaultMachine } from '../../daemon/root/config/machine-file.js';
import { readConsole } from '../../daemon/root/console.js';
import { silentLog } from '../../daemon/root/log.js';
import { Machine } from '../../daemon/root/machine.js';
import { packageRoot } from '../../daemon/root/package-root.js';
import { waitUntil } from '../../daemon/root/wait-until.js';
import { hvd } from '../rig/hvd-process.js';

const image = (name: string): string => join(packageRoot(), `configs/guests/${name}/${name}.elf`);
/** What the exit port makes of a guest's 0. */
const RIGHT = 1;
/** Each checks itself. */
const REAL16 = /^DONE real16 rounds=\d+ ticks=40 errors=0$/m;
const V86 = /^DONE v86(?: vme)?((?: reports=\d+ switches=\d+ reflected=\d+){2}) errors=0$/m;

/** Reports of each task at which the monitor ends (configs/guests/v86). */
const REPORTS = 500;
/**
 * What the monitor has counted by the end. For each report but the one under way a task has made an INT 60h and an INTO: both are reflected; with VME (`vme`) the processor takes
 * the former to the task by itself.
 */
const checkV86 = (t: ExecutionContext, console: string, vme: boolean, why = ''): void => {
  const done = V86.exec(console);
  t.is(done?.[0].startsWith('DONE v86 vme '), vme, console + why);
  const counts = [...(done?.[1] ?? '').matchAll(/reports=(\d+) switches=(\d+) reflected=(\d+)/g)].map((task) => task.slice(1).map(Number));
  t.is(counts.length, 2);
  t.is(Math.min(...counts.map(([reports]) => reports!)), REPORTS);
  for (const [reports, switches, reflected] of counts) {
    const each = vme ? 1 : 2;
    t.true(switches! >= 2, console);
    t.true(reflected! >= each * reports! && reflected! <= each * (reports! + 1), console);
  }
};

for (const [name, setting, right] of [
  ['real16', 'direct', REAL16],
  ['real16', 'page', REAL16],
  ['v86', 'page', undefined],
  ['v86 vme', 'direct', undefined],
] as const)
  test.serial(`${name} finds nothing wrong, world.switch=${setting}`, async (t) => {
    const { status, stdout, stderr } = await hvd(
      ...[
        'run',
        image(name.split(' ')[0]!),
        '--append',
        name,
        '--memory',
        '16M',
        '--debug-exit',
        '--timeout',
        '240',
        '--policy',
        `world.switch=${setting}`,
      ],
    );
    if (right === undefined) checkV86(t, stdout, name === 'v86 vme', stderr);
    else t.regex(stdout, right, stderr);
    t.is(status, RIGHT);
  });

test.serial('real mode, virtual-8086 mode, 32 and 64 bits on two LPs by way of the switch page', async (t) => {
  t.timeout(300_000);
  const workload = (bits: 32 | 64, job: string) => ({
    name: `w${bits}`,
    image: resolveImage(`workload${bits}`, ''),
    vps: 2,
    memory: 32 << 20,
    append: `job=${job} milliseconds=20`,
  });
  const machine = await Machine.start({
    config: {
      ...defaultMachine(),
      lps: 2,
      pin: false,
      clock: 'deterministic',
      idle: 'skip',
      policies: { 'world.switch': 'page' },
      partitions: [
        { name: 'real16', image: image('real16'), vps: 1, memory: 16 << 20 },
        { name: 'v86', image: image('v86'), vps: 1, memory: 16 << 20 },
        workload(32, 'pagechurn'),
        workload(64, 'spinlock'),
      ],
    },
    log: silentLog(),
  });
  try {
    const said = (name: string): string => Buffer.from(readConsole(machine.partitions.get(name), 0).bytes).toString();
    const names = ['real16', 'v86', 'w32', 'w64'];
    await waitUntil(() => names.every((name) => /DONE.*\n/.test(said(name))), 240_000);
    t.regex(said('real16'), REAL16);
    checkV86(t, said('v86'), false);
    for (const name of ['w32', 'w64']) t.regex(said(name), /DONE errors=0/);
    for (const { worldSwitches } of machine.stats().lps) t.true(worldSwitches > 100, String(worldSwitches));
  } finally {
    await machine.stop();
  }
});
