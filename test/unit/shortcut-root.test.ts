// Mode registers where no hypervisor is beneath (daemon/shortcuts/root): at every instruction of the switch page, writes that the page has and many that it has not are what
// the slow half makes of them, or are left to it; and a world switch by shortcuts is the one without, instruction by instruction.
import test from 'ava';
import { editHostTable, hostTableEntry } from '../../daemon/hypervisor/world/host-tables.js';
import { sysHelpers } from '../../daemon/machine/cpu/sys-helpers.js';
import { shortcutsOf } from '../../daemon/machine/shortcuts.js';
import { SysResult } from '../../daemon/translate/emit/frame.js';
import { packSys, SysOp } from '../../daemon/translate/micro-op.js';
import { Cr0, Cr4, Efer } from '../../shared/abi/registers.js';
import { HostMap } from '../../shared/layout/host-memory.js';
import { LpContextLayout } from '../../shared/layout/lp-context.js';
import { PartitionMap } from '../../shared/layout/partition.js';
import { Slot, VP_BLOCK_SIZE } from '../../shared/layout/vp.js';
import { type WorldRig, worldRig } from '../rig/world-rig.js';

const NOT_TAKEN = 99;
const AT = LpContextLayout.at;
/** What of the LP context a change of mode may change: the word of each. */
const WORDS = [AT.budget, AT.tlb, AT.jumpTag, AT.jumpTag + 4, AT.bank, AT.bankClock];
const EXITS = [AT.charged, AT.exits, AT.exits + 4, AT.exits + 8];

/** Each with the value that it writes, from what the register holds. */
const WRITES: readonly (readonly [op: number, cr: number, next: (rig: WorldRig) => number])[] = [
  ...[Cr0.PG, 0, Cr0.PE, Cr0.PG | Cr0.PE, Cr0.PG | Cr0.WP, Cr0.PG | Cr0.NW, Cr0.TS].map(
    (bits) => [SysOp.MOV_TO_CR, 0, ({ world }: WorldRig) => (world.host.vp.cr0 ^ bits) >>> 0] as const,
  ),
  [SysOp.MOV_TO_CR, 3, ({ own }) => own.longCr3Lo],
  [SysOp.MOV_TO_CR, 3, ({ own }) => own.legacyCr3Lo],
  [SysOp.MOV_TO_CR, 3, () => 0x1000],
  ...[0, Cr4.PGE, Cr4.PAE].map((bits) => [SysOp.MOV_TO_CR, 4, ({ world }: WorldRig) => world.host.vp.cr4 ^ bits] as const),
  ...[Efer.LME, 0, Efer.LMA, Efer.NXE | Efer.LME, 0x1000].map(
    (bits) => [SysOp.WRMSR, 0, ({ world }: WorldRig) => world.host.vp.efer ^ bits] as const,
  ),
  ...[0, 3, 4].map((cr) => [SysOp.MOV_FROM_CR, cr, () => 0] as const),
  [SysOp.RDMSR, 0, () => 0],
];

test('at each instruction of the page, each write of a mode register is what the slow half makes of it', (t) => {
  const taken = new Map<string, number>();
  let places = 0;
  const rig = worldRig('cold', { modeWrite: 7 }, () => {
    places++;
    for (const write of WRITES) {
      const name = compare(rig, write);
      if (name !== undefined) taken.set(name, (taken.get(name) ?? 0) + 1);
    }
  });
  const compare = (at: WorldRig, [op, cr, next]: (typeof WRITES)[number]): string | undefined => {
    const { host } = at.world;
    const { vp, views, processor } = host;
    const { base } = processor.context;
    shorts ??= shortcutsOf(host.memory, {
      sysSlow: () => NOT_TAKEN,
      loadSlow: () => NOT_TAKEN,
      storeSlow: () => NOT_TAKEN,
      portRead: () => 0,
      portWrite: () => undefined,
    });
    const short = shorts;
    short.attach(vp.base, base);
    const words = [...WORDS, ...EXITS].map((offset) => (base + offset) >>> 2);
    const state = (): Buffer => Buffer.from(views.u8.slice(vp.base, vp.base + VP_BLOCK_SIZE));
    const kept = (): readonly number[] => words.map((word) => views.i32[word]!);
    const began = { block: state(), words: kept() };
    const restore = (): void => {
      views.u8.set(began.block, vp.base);
      words.forEach((word, i) => {
        views.i32[word] = began.words[i]!;
      });
    };
    const value = next(at);
    const register = op === SysOp.MOV_TO_CR ? Slot.RBX : Slot.RAX;
    views.u64[(vp.base >>> 3) + register] = BigInt(value);
    if (op === SysOp.WRMSR || op === SysOp.RDMSR) {
      views.u64[(vp.base >>> 3) + Slot.RCX] = 0xc000_0080n;
      views.u64[(vp.base >>> 3) + Slot.RDX] = 0n;
    }
    const operands = state();
    const d = packSys({ op, length: 3, width: 2, addressWidth: 2, a: cr, b: register });
    const result = short.sys(d);
    const after = state();
    const afterWords = kept().slice(0, WORDS.length);
    const charged = 7 * views.i32[words[WORDS.length + 3]!]!;
    restore();
    if (result === NOT_TAKEN) {
      t.true(after.equals(operands), 'nothing has happened');
      return undefined;
    }
    views.u8.set(operands, vp.base);
    const leaves = sysHelpers[op]!(processor, d) !== 0;
    t.is(result, leaves ? SysResult.DISPATCH : SysResult.CONTINUE);
    t.true(state().equals(after), `op ${op} of ${value.toString(16)} at ${at.world.host.vp.csAccess}`);
    t.deepEqual(kept().slice(0, WORDS.length), afterWords);
    t.is(charged, began.words[0]! - afterWords[0]!);
    restore();
    return `${op} ${cr}`;
  };
  let shorts: ReturnType<typeof shortcutsOf> | undefined;
  for (let trip = 0; trip < 3; trip++) rig.trip();
  t.true(places > 3 * 80);
  // Paging off and on in either direction; CR3 and LME while it is off; reading, everywhere.
  for (const [name, least] of [
    [`${SysOp.MOV_TO_CR} 0`, 3 * 20],
    [`${SysOp.MOV_TO_CR} 3`, 3 * 20],
    [`${SysOp.WRMSR} 0`, 3 * 5],
    [`${SysOp.MOV_FROM_CR} 0`, places],
    [`${SysOp.RDMSR} 0`, places],
  ] as const)
    t.true((taken.get(name) ?? 0) >= least, `${name}: ${taken.get(name)}`);
  t.is(taken.get(`${SysOp.MOV_TO_CR} 4`), undefined);
});

test('a world switch by shortcuts is the one without them, instruction by instruction', (t) => {
  const course = (short: boolean): unknown => {
    const states: unknown[] = [];
    const rig = worldRig('cold', { modeWrite: 100, switchInstruction: 1 }, () => {
      const { vp, views, processor } = rig.world.host;
      processor.allTheWay = !short;
      states.push(Buffer.from(views.u8.slice(vp.base, vp.base + VP_BLOCK_SIZE)).toString('base64'));
    });
    const cycles = [rig.trip(), rig.trip(), rig.trip()];
    const lp = PartitionMap.RAM + HostMap.LP_PAGES;
    return { states, cycles, memory: Buffer.from(rig.views.u8.slice(lp, lp + HostMap.LP_STRIDE)).toString('base64') };
  };
  t.deepEqual(course(true), course(false));
});

test('an edit of the page tables sends the next change of paging to the slow half', (t) => {
  const { world, views, trip } = worldRig('hot');
  for (let n = 0; n < 3; n++) trip();
  const { jumps } = world.host.processor.code;
  /** Banks taken up, and flushes, by TypeScript in one trip. */
  const flushes = (): number => {
    const before = jumps.flushes;
    trip();
    return jumps.flushes - before;
  };
  t.is(flushes(), 0, 'shortcuts do them all');
  editHostTable(views, 0, HostMap.SWITCH_PAGE, hostTableEntry(views, 0, HostMap.SWITCH_PAGE));
  t.true(flushes() > 0);
  for (let n = 0; n < 2; n++) trip();
  t.is(flushes(), 0);
});
