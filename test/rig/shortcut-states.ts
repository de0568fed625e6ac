// Random states of VP, tables and stack from which an instruction is done by its shortcut (daemon/shortcuts) and by the slow half itself (machine/cpu): a shortcut either
// leaves everything as it was or does exactly what the slow half does, and never where that would fault or somebody wants a look afterwards.
import type { ExecutionContext } from 'ava';
import { rflags, setRflags } from '../../daemon/machine/cpu/flags.js';
import { type Shortcuts, shortcutsOf } from '../../daemon/machine/shortcuts.js';
import { SysResult } from '../../daemon/translate/emit/frame.js';
import { Rflags } from '../../shared/abi/registers.js';
import { DeviceMap } from '../../shared/layout/devices.js';
import { Shortcut } from '../../shared/layout/lp-context.js';
import { Slot, VP_BLOCK_SIZE } from '../../shared/layout/vp.js';
import { type BareProcessor, bareProcessor, System, userMode } from './bare-processor.js';

export const NOT_TAKEN = 99;
/** Guest physical address of the tables: GDT, IDT, TSS, handlers, stack, a page each. */
const TABLES = 0x8000;
export const RIP = 0x0040_0000;
export const VECTOR = 0x40;

export const random = (seed: number): ((n: number) => number) => {
  let state = seed | 1;
  return (n) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % n;
  };
};

export interface ShortcutRig {
  readonly machine: BareProcessor;
  readonly bits: 32 | 64;
  readonly short: Shortcuts;
}
export const rigOf = (bits: 32 | 64): ShortcutRig => {
  const machine = bareProcessor(0x20000);
  userMode(machine, bits, TABLES);
  const short = shortcutsOf(machine.memory, {
    sysSlow: () => NOT_TAKEN,
    loadSlow: () => NOT_TAKEN,
    storeSlow: () => NOT_TAKEN,
    portRead: () => 0,
    portWrite: () => undefined,
  });
  short.attach(machine.vp.base, machine.processor.context.base);
  return { machine, bits, short };
};
export const tableAt = ({ machine }: ShortcutRig, linear: number): number => machine.host(TABLES + linear - System.GDT);

/** A state from which the event goes the usual way, then a few things that may make it go another one. */
export const prepare = (rig: ShortcutRig, pick: (n: number) => number): void => {
  const { machine, bits } = rig;
  const { vp, views, tlb, processor } = machine;
  const { u32, u64, i32 } = views;
  views.u8.fill(0, vp.base, vp.base + VP_BLOCK_SIZE);
  userMode(machine, bits, TABLES);
  const rarely = (): boolean => pick(24) === 0;
  const level = pick(3) === 0 ? 3 : pick(12) === 0 ? 1 : 0;
  const code = level === 0 ? 0x08 : level === 3 ? 0x18 : 0x08;
  const slot = (s: number, value: bigint): void => {
    u64[(vp.base >>> 3) + s] = value;
  };
  const gdt = tableAt(rig, System.GDT) >>> 2;
  for (const n of [1, 2, 3, 4]) {
    if (rarely()) u32[gdt + n * 2 + 1] ^= 1 << (8 + pick(16));
    if (rarely()) u32[gdt + n * 2 + pick(2)] ^= 1 << pick(32);
  }
  const gate = (tableAt(rig, System.IDT) >>> 2) + VECTOR * (bits / 16);
  const handler = System.HANDLERS + VECTOR;
  const gateSelector = (rarely() ? pick(64) : code) | (pick(8) === 0 ? pick(4) : 0);
  u32[gate] = (handler & 0xffff) | (gateSelector << 16);
  u32[gate + 1] = (handler & 0xffff_0000) | ((rarely() ? pick(256) : 0x8e | pick(2) | (level << 5) | (pick(4) << 5)) << 8);
  if (bits === 64) u32[gate + 2] = rarely() ? pick(0x10000) : 0;
  if (bits === 64 && rarely()) u32[gate + 1] |= 1 + pick(7);
  const dpl = level << 5;
  vp.cpl = level;
  vp.csSelector = code | level;
  vp.csAccess = (bits === 64 ? 0xa09b : 0xc09b) | (rarely() ? pick(4) << 5 : code === 0x08 ? 0 : 0x60);
  vp.ssSelector = pick(4) === 0 && bits === 64 ? level : (code === 0x08 ? 0x10 : 0x20) | level;
  vp.ssAccess = (rarely() ? 0x8093 : 0xc093) | dpl;
  if (rarely()) vp.csLimit = pick(0x1000);
  if (rarely()) {
    // A segment that neither handlers nor program lie in, in CS and in its descriptor.
    u32[gdt + (code >>> 3) * 2] = 0xffff;
    u32[gdt + (code >>> 3) * 2 + 1] &= ~0x8f_0000;
    vp.csLimit = 0xffff;
    vp.csAccess &= ~0x8000;
  }
  if (rarely()) vp.idtrLimit = pick(0x800);
  if (rarely()) vp.gdtrLimit = pick(0x28);
  // IA-32e mode has PE set and VM clear always.
  if (bits === 32 && rarely()) vp.cr0 &= ~1;
  if (rarely()) vp.interruptShadow = 1;
  if (rarely()) vp.nmiPending = 1;
  vp.nmiBlocked = pick(2);
  if (rarely()) u32[(vp.irr >>> 2) + pick(8)] = 1 << pick(32);
  i32[DeviceMap.PIC_OUTPUT >>> 2] = rarely() ? 1 : 0;
  const flags = (): number =>
    (pick(0x1000) & (Rflags.ARITHMETIC | Rflags.IF | Rflags.DF)) |
    (pick(4) << 12) |
    (rarely() ? [Rflags.TF, Rflags.NT, Rflags.RF, Rflags.VM, Rflags.AC, Rflags.VIF, Rflags.VIP, Rflags.ID][pick(8)]! : 0);
  setRflags(vp, bits === 64 ? flags() & ~Rflags.VM : flags());
  for (let s = 0; s < 16; s++) slot(s, BigInt(pick(0x1_0000_0000)));
  const top = System.STACK + 0x800 + pick(16) * (rarely() ? 1 : 4) + (rarely() ? 0x800 : 0);
  slot(Slot.RSP, bits === 64 && rarely() ? 1n << BigInt(40 + pick(24)) : BigInt(top));
  slot(Slot.RIP, BigInt(RIP));
  slot(Slot.ARG0, BigInt(rarely() ? pick(256) : VECTOR));
  // What IRET pops.
  const frame = tableAt(rig, System.STACK) + (top - System.STACK);
  const put = (n: number, value: number): void => {
    const at = frame + n * (bits / 8);
    if ((at & 4095) + bits / 8 > 4096) return;
    if (bits === 64) views.data.setBigInt64(at, BigInt(value), true);
    else views.data.setUint32(at, value >>> 0, true);
  };
  put(0, rarely() ? pick(0x1_0000_0000) * 0x8000 : RIP + 2);
  put(1, (rarely() ? pick(0x40) : code | level) | (pick(4) === 0 ? 0xabcd_0000 : 0));
  put(2, flags() | (rarely() ? (rflags(vp) & Rflags.AC) ^ Rflags.AC : 0));
  put(3, pick(0x1_0000_0000));
  put(4, rarely() ? pick(0x40) : vp.ssSelector);
  // The slow half's derived state, then the TLB as a guest that has been here before has it.
  processor.modeChanged();
  tlb.flushAll();
  for (const [linear, page] of machine.pages)
    for (const user of [0, 1]) if (!rarely()) tlb.insert(user, linear * 4096, machine.host(page.gfn * 4096), !rarely(), page.gfn);
};

/** Everything that an instruction may change: VP block and tables. */
const stateOf = ({ machine }: ShortcutRig): Buffer =>
  Buffer.concat([
    machine.views.u8.slice(machine.vp.base, machine.vp.base + VP_BLOCK_SIZE),
    machine.views.u8.slice(machine.host(TABLES), machine.host(TABLES) + 5 * 4096),
  ]);
const restore = ({ machine }: ShortcutRig, state: Buffer): void => {
  machine.views.u8.set(state.subarray(0, VP_BLOCK_SIZE), machine.vp.base);
  machine.views.u8.set(state.subarray(VP_BLOCK_SIZE), machine.host(TABLES));
};
const isQuiet = ({ machine: { vp, views } }: ShortcutRig): boolean => {
  const waits = Array.from({ length: 8 }, (_, i) => views.i32[(vp.irr >>> 2) + i]).some((word) => word !== 0);
  if (vp.interruptShadow !== 0 || vp.nmiPending !== 0) return false;
  return (rflags(vp) & Rflags.IF) === 0 || (!waits && views.i32[DeviceMap.PIC_OUTPUT >>> 2] === 0);
};

/** One case: true when the shortcut was taken. Both say SysResult as it is where nothing waits (the slow half: 0 or 1); the shortcut NOT_TAKEN otherwise. */
export const compare = (t: ExecutionContext, rig: ShortcutRig, name: string, shortcut: () => number, slow: () => number): boolean => {
  const { machine } = rig;
  const before = stateOf(rig);
  machine.processor.context.shortcuts = Shortcut.OWN | Shortcut.INTERCEPTS;
  const result = shortcut();
  const after = stateOf(rig);
  if (result === NOT_TAKEN) {
    if (!after.equals(before)) t.fail(`${name}: a shortcut that is not taken has changed something`);
    return false;
  }
  restore(rig, before);
  machine.processor.context.shortcuts = 0;
  try {
    const leaves = slow() !== 0;
    if (result !== (leaves ? SysResult.DISPATCH : SysResult.CONTINUE)) t.fail(`${name}: result ${result}`);
    if (leaves && !isQuiet(rig)) t.fail(`${name}: somebody wants a look`);
  } catch {
    t.fail(`${name}: the slow half faults`);
  }
  const wanted = stateOf(rig);
  if (!wanted.equals(after)) {
    const at = wanted.findIndex((byte, i) => byte !== after[i]);
    t.fail(`${name}: byte ${at} is ${after[at]}, by the slow half ${wanted[at]}`);
  }
  if (machine.processor.debug.active) t.fail(`${name}: a single step is due`);
  return true;
};
