// The remote stub for GDB, packet by packet: the workload guest under a debugger, and debuggers that misbehave.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { readSymbols } from '../../daemon/boot/symbols.js';
import { resolveImage } from '../../daemon/root/config/images.js';
import { defaultMachine } from '../../daemon/root/config/machine-file.js';
import { type DebugChoice, debugServiceOf } from '../../daemon/root/gdb/debug-service.js';
import { GdbServer } from '../../daemon/root/gdb/server.js';
import { silentLog } from '../../daemon/root/log.js';
import { Machine } from '../../daemon/root/machine.js';
import type { MachineConfig, PartitionConfig } from '../../shared/protocol/messages.js';
import { GdbClient } from '../rig/gdb-client.js';

const MIB = 1 << 20;
const SYMBOLS = readSymbols(readFileSync(resolveImage('workload64', '')));
const hex = (value: number): string => value.toString(16);
const at = (name: string): string => hex(SYMBOLS.addressOf(name)!);
/** Numbers of registers in the 64-bit description. */
const RSP = 7;
const RIP = 16;

const guest = (changes: Partial<PartitionConfig> = {}): PartitionConfig => ({
  name: 'guest',
  image: resolveImage('workload64', ''),
  vps: 2,
  memory: 16 * MIB,
  append: 'job=compute seconds=600',
  ...changes,
});

interface Bench {
  readonly machine: Machine;
  readonly server: GdbServer;
  readonly connect: () => Promise<GdbClient>;
  readonly instructions: (name?: string) => number;
}

const withMachine = async (
  clock: MachineConfig['clock'],
  work: (bench: Bench) => Promise<void>,
  choice: DebugChoice = {},
  partitions = [guest()],
): Promise<void> => {
  const machine = await Machine.start({
    config: { ...defaultMachine(), lps: 2, nodes: 1, pin: false, clock, partitions },
    log: silentLog(),
  });
  const start = async (partition: { name: string; body: { stateName: string } }): Promise<void> => {
    if (partition.body.stateName === 'created') await machine.enter('vm.start', { name: partition.name });
  };
  const server = await GdbServer.listen(0, debugServiceOf(machine, silentLog(), choice, start));
  const clients: GdbClient[] = [];
  const connect = async (): Promise<GdbClient> => {
    const client = await GdbClient.connect(server.address);
    clients.push(client);
    return client;
  };
  const instructions = (name = 'guest'): number =>
    machine
      .stats()
      .partitions.find((one) => one.name === name)!
      .vps.reduce((sum, vp) => sum + vp.instructions, 0);
  try {
    await work({ machine, server, connect, instructions });
  } finally {
    for (const client of clients) await client.leave();
    await server.close();
    await machine.stop();
  }
};

const register = async (gdb: GdbClient, number: number): Promise<number> => {
  const bytes = (await gdb.ask(`p${hex(number)}`)).match(/../g)!;
  return Number(BigInt(`0x${bytes.reverse().join('')}`));
};
const HELLO = 'qSupported:swbreak+;hwbreak+;vContSupported+';
/** A debugger of the guest while it works: connected, and stopped at a call of `job_goes_on`. */
const stoppedAtWork = async ({ connect, instructions }: Bench): Promise<GdbClient> => {
  for (let i = 0; i < 400 && instructions() < 2_000_000; i++) await sleep(10);
  const gdb = await connect();
  await gdb.ask(HELLO);
  await gdb.ask(`Z0,${at('job_goes_on')},1`);
  const stop = await gdb.ask('vCont;c');
  if (!/^T05thread:[12];swbreak:;$/.test(stop)) throw new Error(`not at the breakpoint: ${stop}`);
  return gdb;
};

for (const clock of ['deterministic', 'realtime'] as const)
  test(`${clock}: breakpoints, registers, memory, watchpoints, steps, Ctrl-C, and the guest goes on when the debugger leaves`, async (t) => {
    await withMachine(clock, async (bench) => {
      const gdb = await stoppedAtWork(bench);
      const call = SYMBOLS.addressOf('job_goes_on')!;
      t.is(await register(gdb, RIP), call);
      t.regex(await gdb.ask('qXfer:features:read:target.xml:0,1000'), /i386:x86-64/);

      // Nothing goes on meanwhile.
      const before = bench.instructions();
      await sleep(30);
      t.is(bench.instructions(), before);

      // Threads.
      t.is(await gdb.ask('qfThreadInfo'), 'm1,2');
      t.is(await gdb.ask('T2'), 'OK');
      t.is(await gdb.ask('T3'), 'E03');

      // A single step goes one instruction further, a second one another.
      const thread = (await gdb.ask('qC')).slice(2);
      t.is(await gdb.ask(`vCont;s:${thread}`), `T05thread:${thread};`);
      const stepped = await register(gdb, RIP);
      t.true(stepped > call && stepped <= call + 15);
      const stack = await register(gdb, RSP);

      // Registers can be written.
      const all = await gdb.ask('g');
      t.is(await gdb.ask(`G${all}`), 'OK');
      t.is(await gdb.ask('p0'), all.slice(0, 16));
      t.is(await gdb.ask(`P0=${'12'.repeat(8)}`), 'OK');
      t.is(await gdb.ask('p0'), '12'.repeat(8));
      t.is(await gdb.ask(`P0=${all.slice(0, 16)}`), 'OK');
      t.is(await gdb.ask('P0=1234'), 'E16');

      // Memory that is there and memory that is not; code as it is, breakpoint or not.
      const code = await gdb.ask(`m${at('job_goes_on')},8`);
      t.is(code.length, 16);
      t.is(await gdb.ask('mffff800000000000,8'), 'E0e');
      t.is(await gdb.ask('Mffff800000000000,1:00'), 'E0e');
      t.is(await gdb.ask('m8000000000000000,8'), 'E16');

      // The call that comes next writes its return address where the last one did.
      await gdb.ask(`z0,${at('job_goes_on')},1`);
      for (const [kind, name] of [
        [2, 'watch'],
        [3, 'rwatch'],
        [4, 'awatch'],
      ] as const) {
        t.is(await gdb.ask(`Z${kind},${hex(stack)},8`), 'OK');
        t.is(await gdb.ask(`vCont;c:${thread}`), `T05thread:${thread};${name}:${hex(stack)};`);
        t.is(await gdb.ask(`z${kind},${hex(stack)},8`), 'OK');
      }

      // What is written is what runs: a jump to itself, in code that has run hot.
      t.is(await gdb.ask(`M${at('job_goes_on')},2:ebfe`), 'OK');
      gdb.send('vCont;c');
      await sleep(100);
      gdb.interrupt();
      t.regex(await gdb.answer(), /^T02thread:[12];$/);
      t.is(await register(gdb, RIP), call);
      t.is(await gdb.ask(`X${at('job_goes_on')},2:`), 'E16');
      t.is(await gdb.ask(`M${at('job_goes_on')},2:${code.slice(0, 4)}`), 'OK');

      // A hardware breakpoint; the other VP is held.
      t.is(await gdb.ask(`Z1,${at('job_goes_on')},1`), 'OK');
      t.regex(await gdb.ask('vCont;s:2'), /^T05thread:2;$/);
      t.is(await gdb.ask('vCont;c:2'), 'T05thread:2;hwbreak:;');
      t.is(await gdb.ask('vCont;c:2'), 'T05thread:2;hwbreak:;');
      t.is(await gdb.ask(`z1,${at('job_goes_on')},1`), 'OK');

      // Detached, though still connected: nothing stops the machine any more.
      t.is(await gdb.ask('D'), 'OK');
      t.is(await gdb.ask('vCont;c'), 'W00');
      t.is(await gdb.ask('m1000,4'), 'E0e');
      const left = bench.instructions();
      for (let i = 0; i < 300 && bench.instructions() < left + 1_000_000; i++) await sleep(10);
      t.true(bench.instructions() >= left + 1_000_000);
    });
  });

test('at its first instruction a guest is in 32-bit code, unless the operator says 64; partitions come and go while it stands', async (t) => {
  const partitions = [guest({ autostart: false })];
  for (const bits of [undefined, 64] as const)
    await withMachine(
      'deterministic',
      async ({ connect, machine, instructions }) => {
        const gdb = await connect();
        await gdb.ask(HELLO);
        t.is(machine.partitions.get('guest').body.stateName, 'running');
        t.is(instructions(), 0);
        t.regex(await gdb.ask('qXfer:features:read:target.xml:0,1000'), bits === 64 ? /i386:x86-64/ : />i386</);
        t.is(await register(gdb, bits === 64 ? RIP : 8), SYMBOLS.addressOf('_start')!);
        const monitor = async (command: string): Promise<string> =>
          Buffer.from(await gdb.ask(`qRcmd,${Buffer.from(command).toString('hex')}`), 'hex').toString();
        await machine.add(guest({ name: 'other', vps: 1 }));
        for (let i = 0; i < 100 && instructions('other') === 0; i++) await sleep(10);
        t.is(instructions(), 0);
        t.is(await monitor('partitions'), '* guest\n  other\n');
        t.is(await monitor('partition none'), 'no partition named none\n');
        t.is(await monitor('partition other'), 'debugging other\n');
        t.is(await gdb.ask('qfThreadInfo'), 'm1');
        t.is(await monitor('partition guest'), 'debugging guest\n');
        await machine.enter('vm.destroy', { name: 'other' });
        t.is(await gdb.ask('vKill;1'), 'OK');
        t.is(await gdb.ask('?'), 'W00');
        t.is(machine.partitions.get('guest').body.stateName, 'stopped');
      },
      { bits },
      partitions,
    );
});

test('a partition that ends while it is debugged is told of', async (t) => {
  await withMachine('quantum', async (bench) => {
    const gdb = await bench.connect();
    await gdb.ask(HELLO);
    gdb.send('vCont;c');
    await sleep(20);
    await bench.machine.enter('vm.stop', { name: 'guest' });
    t.is(await gdb.answer(), 'W00');
    t.is(await gdb.ask('m1000,4'), 'E0e');
    t.is(await gdb.ask('g'), 'E03');
    t.is(await gdb.ask('vCont;c'), 'W00');
  });
});

test('whatever a client sends, the daemon answers the next one and the guest goes on', async (t) => {
  await withMachine('quantum', async ({ connect, instructions }) => {
    const hostile: (readonly [string, string | Uint8Array])[] = [
      ['HTTP', 'POST / HTTP/1.1\r\n\r\n$k#6b'],
      ['half a packet', '$qSupp'],
      ['no end', `$${'a'.repeat(40_000)}`],
      ['packets without end', '+$g#67'.repeat(500)],
      ['bytes', Uint8Array.from({ length: 5000 }, (_, i) => (i === 0 ? 0x24 : (i * 7919) & 0xff))],
    ];
    for (const [what, bytes] of hostile) {
      const client = await connect();
      client.socket.write(bytes);
      await sleep(20);
      await client.leave();
      t.pass(what);
    }
    const odd = [
      '',
      'm',
      'm0',
      'm0,',
      'mzz,4',
      'm0,ffffffffff',
      'M0,4:00',
      'M0,1',
      'X0,9:1',
      'Z',
      'Z9,0,1',
      'Z0',
      'Z2,0,ffffff',
      'p',
      'pffff',
      'P',
      'P0',
      'G00',
      'H',
      'Hgzz',
      'T',
      'vCont;',
      'vCont;x',
      'vCont;c:77',
      'v',
      'q',
      'qRcmd,1',
      'qRcmd,77616c6b',
      'qXfer:features:read:target.xml:1',
      'qXfer:features:read:other:0,1',
      'qXfer:memory:read::0,1',
      'qThreadExtraInfo,9',
      'vKill;',
      '\x01\x02',
    ];
    const gdb = await connect();
    for (const body of odd.filter((one) => one !== 'vKill;')) t.regex(await gdb.ask(body), /^(|E[0-9a-f]{2}|[0-9a-f]+)$/, body);
    t.is(await gdb.ask('m100000,ffffff').then((answer) => answer.length > 8000), true);
    // More breakpoints than there is room for.
    let full = '';
    for (let i = 0; i < 1100 && full === ''; i++) {
      const answer = await gdb.ask(`Z0,${hex(0x20_0000 + i)},1`);
      if (answer !== 'OK') full = answer;
    }
    t.is(full, 'E1c');
    // A wrong sum is asked for again, and a second debugger is turned away.
    gdb.socket.write('$g#00');
    const second = await connect();
    await second.closed();
    // It goes in the middle of a run.
    gdb.send('vCont;c');
    await sleep(10);
    await gdb.leave();
    const left = instructions();
    for (let i = 0; i < 300 && instructions() < left + 1_000_000; i++) await sleep(10);
    t.true(instructions() >= left + 1_000_000);
    const next = await connect();
    t.regex(await next.ask('?'), /^T02/);
  });
});
