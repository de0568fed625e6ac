// MOV CR3 as a shortcut (daemon/shortcuts/address-space): what it loads is what TypeScript goes on with, and each condition that forbids it is tried alone.
import test from 'ava';
import { type Shortcuts, shortcutsOf } from '../../daemon/machine/shortcuts.js';
import { SysResult } from '../../daemon/translate/emit/frame.js';
import { packSys, SysOp } from '../../daemon/translate/micro-op.js';
import { LpContextLayout } from '../../shared/layout/lp-context.js';
import { lpContextAt, PartitionLayout } from '../../shared/layout/partition.js';
import { Slot } from '../../shared/layout/vp.js';
import { LockMode, Sas, sasAt, TrackMode, vtlbWord } from '../../shared/layout/vtlb.js';
import { Kernel, KernelMachine } from '../rig/kernel-machine.js';

const OTHER = 0x5000;
const NOT_TAKEN = 99;
const { at } = LpContextLayout;
const CONTEXT = lpContextAt(0);
const le32 = (n: number): string => Buffer.from(Uint32Array.of(n).buffer).toString('hex');
/** mov eax, value; mov cr3, rax; inc dword [rsi]. */
const enter = (cr3: number): string => `b8${le32(cr3)}0f22d8ff06`;
const toCr = (cr: number): number => packSys({ op: SysOp.MOV_TO_CR, length: 3, width: 3, addressWidth: 3, a: cr, b: Slot.RAX });

interface Warm {
  readonly machine: KernelMachine;
  readonly short: Shortcuts;
  /** MOV CR3 of the value: whether it was done here. */
  readonly taken: (cr3: bigint, cr?: number) => boolean;
  /** Runs with the word of the partition's memory changed. */
  readonly with: (address: number, value: number, then: () => void) => void;
}
/** A machine that has been in both spaces and is in the first, and its shortcuts. */
const warm = (): Warm => {
  const machine = new KernelMachine('cold');
  machine.policy('vtlb.tags', '4');
  machine.policy('vtlb.untracked', '16');
  const { views, vp } = machine;
  views.u8.copyWithin(machine.host(OTHER), machine.host(Kernel.PML4), machine.host(Kernel.PML4) + 4096);
  // Until all mappings of tables are known.
  const turn = enter(OTHER) + enter(Kernel.PML4);
  machine.load(`${turn}41ffc80f85${le32(-(turn.length / 2 + 9))}`);
  machine.run({ registers: { [Slot.RSI]: Kernel.DATA, [Slot.R8]: 100 } });
  const none = (): number => NOT_TAKEN;
  const short = shortcutsOf(machine.memory, { sysSlow: none, loadSlow: none, storeSlow: none, portRead: none, portWrite: () => undefined });
  short.attach(vp.base, CONTEXT);
  return {
    machine,
    short,
    taken: (cr3, cr = 3) => {
      views.u64[(vp.base >>> 3) + Slot.RAX] = cr3;
      return short.sys(toCr(cr)) !== NOT_TAKEN;
    },
    with: (address, value, then) => {
      const before = views.i32[address >>> 2]!;
      views.i32[address >>> 2] = value;
      then();
      views.i32[address >>> 2] = before;
    },
  };
};
const word = ({ machine: { views } }: Warm, address: number): number => views.i32[address >>> 2]!;

test('a switch loads the space, its tables and its bank, and gives the other one up', (t) => {
  const w = warm();
  const { machine, short, taken } = w;
  const space = (): number => word(w, CONTEXT + at.sas);
  const users = (sas: number): number => word(w, sasAt(sas) + Sas.users);
  const [first, bank, root] = [space(), word(w, CONTEXT + at.bank), word(w, CONTEXT + at.walkRoot)];
  machine.views.u64[(machine.vp.base >>> 3) + Slot.RIP] = 0x1_0000n;
  machine.views.u64[(machine.vp.base >>> 3) + Slot.RAX] = BigInt(OTHER);
  t.is(short.sys(toCr(3)), SysResult.DISPATCH);
  t.is(machine.slot(Slot.RIP), 0x1_0003n);
  t.is(machine.vp.cr3, BigInt(OTHER));
  const second = space();
  t.not(second, first);
  t.not(word(w, CONTEXT + at.bank), bank);
  t.not(word(w, CONTEXT + at.walkRoot), root);
  t.deepEqual([users(first), users(second)], [0, 1]);
  t.true(taken(BigInt(Kernel.PML4)));
  t.deepEqual([space(), word(w, CONTEXT + at.bank), word(w, CONTEXT + at.walkRoot)], [first, bank, root]);
  t.deepEqual([users(first), users(second)], [1, 0]);
  t.true(taken(BigInt(Kernel.PML4)), 'the same again');
  t.deepEqual([users(first), users(second)], [1, 0]);
});

test('TypeScript goes on in the space that a shortcut has loaded', (t) => {
  const w = warm();
  const { machine } = w;
  const first = word(w, CONTEXT + at.sas);
  t.true(w.taken(BigInt(OTHER)));
  // Begins in the first space, whose key TypeScript had seen last.
  machine.load('ff06');
  machine.run({ registers: { [Slot.RSI]: Kernel.DATA } });
  t.is(word(w, CONTEXT + at.sas), first);
  t.is(machine.views.u32[machine.host(Kernel.DATA) >>> 2], 201);
});

test('each condition alone leaves the switch to the slow half, and the spaces as they are', (t) => {
  const w = warm();
  const { machine, taken } = w;
  const { vp } = machine;
  const other = BigInt(OTHER);
  const sas = [0, 1, 2, 3].find((n) => word(w, sasAt(n) + Sas.cr3Lo) === OTHER)!;
  const bank = [0, 1, 2, 3].find((n) => word(w, CONTEXT + at.bankSpaces + n * 4) % 128 === sas)!;
  const refused = (what: string): void => {
    t.false(taken(other), what);
    t.is(word(w, sasAt(sas) + Sas.users), 0, what);
  };
  t.false(taken(0x6000n), 'a value that has loaded nothing yet');
  t.false(taken(other | 8n), 'another value');
  t.false(taken(other | (1n << 63n)), 'reserved without PCIDs');
  t.false(taken(other | (1n << 32n)), 'another upper half');
  for (const cr of [0, 4, 8]) t.false(taken(other, cr), `CR${cr}`);
  vp.cpl = 3;
  refused('level 3');
  vp.cpl = 0;
  for (const [what, address, value] of [
    ['instructions are watched', CONTEXT + at.shortcuts, 0],
    ['registers or policies have changed', CONTEXT + at.switchEpoch, -1],
    ['too many spaces were used since', CONTEXT + at.switchAge, -1],
    ['another LP', PartitionLayout.at.lpsLow, 3],
    ['another LP of the upper half', PartitionLayout.at.lpsHigh, 1],
    ['all was flushed', vtlbWord('generation'), 7],
    ['nothing is tracked', vtlbWord('trackMode'), TrackMode.OFF],
    ['one lock for all', vtlbWord('lockMode'), LockMode.GLOBAL],
    ['a table may have been written', sasAt(sas) + Sas.stale, 1],
    ['it shares tables', sasAt(sas) + Sas.nodes + 12, 1],
    ['entries were taken away', sasAt(sas) + Sas.version, -1],
    ['the entry of the table is another space by now', sasAt(sas) + Sas.serial, 9],
    ['the bank is another space by now', CONTEXT + at.bankSpaces + bank * 4, 5],
    ['no code is known in the bank', CONTEXT + at.bankModeIds + bank * 4, 0],
  ] as const)
    w.with(address, value, () => refused(what));
  w.with(sasAt(sas) + Sas.users, -1, () => t.false(taken(other), 'it is being evicted'));
  t.is(word(w, sasAt(sas) + Sas.users), 0);
  t.true(taken(other), 'and without any of them');
});
