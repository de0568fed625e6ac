// One LP of the stress test: random translations, page-table edits, flushes, handshakes and bus locks, checked against what it knows of its own pages.
import { parentPort, workerData } from 'node:worker_threads';
import { Flush } from '../../daemon/hypervisor/vtlb/loaded-space.js';
import { PageFault } from '../../daemon/hypervisor/vtlb/page-faults.js';
import { Walk } from '../../daemon/machine/walker.js';
import { LpContextLayout, TLB_BANK_SIZE, TLB_ENTRY_SIZE, TlbEntry } from '../../shared/layout/lp-context.js';
import { MachineLayout } from '../../shared/layout/machine.js';
import { PageAccess, Pte } from '../../shared/layout/paging.js';
import { lpContextAt, PartitionMap, vpBlockAt } from '../../shared/layout/partition.js';
import { VpBlock } from '../../shared/layout/vp.js';
import { POLICIES } from '../../shared/protocol/policies.js';
import { attachMachine, entry64, makeLp, spaOf } from './small-machine.js';
import { BUS_COUNTER, FIRST_FRAME, FRAMES, ROOTS, SLOTS, slotAddress, slotByMovCr3, TABLE, WINDOW_SLOT } from './stress-layout.js';

export interface StressData {
  readonly partition: WebAssembly.Memory;
  readonly machine: SharedArrayBuffer;
  readonly pages: number;
  readonly lps: number;
  readonly lp: number;
  readonly seed: number;
  readonly operations: number;
  /** Not 0: host time, in milliseconds, at which it ends instead. */
  readonly until: number;
}
export interface StressResult {
  readonly lp: number;
  readonly error: string | null;
  readonly hits: number;
  readonly fills: number;
  readonly busLocks: number;
}

const data = workerData as StressData;
const machine = attachMachine(data.partition, data.machine, data.pages, data.lps);
const { i32, u32 } = machine.partition;
const lp = makeLp(machine, data.lp);
const vp = new VpBlock(machine.partition, vpBlockAt(data.lp));
const context = lpContextAt(data.lp);
let state = data.seed | 1;
const random = (n: number): number => {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % n;
};
const SWITCHED = POLICIES.filter(({ name }) => name.startsWith('vtlb.'));
let hits = 0;
let fills = 0;
let busLocks = 0;
let policyChanges = 0;

/** SPA of the page, or 0 for a page fault: TLB, walk, fill, walk, insert, as the processor does. */
const translate = (gva: number, access: number): number => {
  const bank = context + LpContextLayout.at.tlbs + lp.tlb.bank * TLB_BANK_SIZE;
  const entry = (bank + ((gva >>> 12) & 1023) * TLB_ENTRY_SIZE) >>> 2;
  const tag = entry + ((access & PageAccess.WRITE ? TlbEntry.WRITE_TAG : TlbEntry.READ_TAG) >> 2);
  if (i32[tag] === (gva | 0) && i32[tag + 1] === Math.floor(gva / 4294967296)) {
    hits++;
    return ((gva | 0) + i32[entry + (TlbEntry.ADDEND >> 2)]) >>> 0;
  }
  for (let n = 0; n < 10_000; n++) {
    if (lp.walker.walk(gva, access) === Walk.HIT) {
      lp.tlb.insert(0, gva, lp.walker.spa, lp.walker.writable, lp.walker.gfn, lp.walker.global);
      return lp.walker.spa;
    }
    const result = lp.vtlb.pageFault(gva, access);
    if (result === PageFault.GUEST_FAULT) return 0;
    if (result === PageFault.ONCE) return lp.vtlb.found.spa;
    if (result !== PageFault.FILLED) throw new Error(`page fault ended with ${result}`);
    fills++;
  }
  throw new Error('10000 fills and still no hit');
};

/** What this LP's own slots map to; 0 = not present. */
const own = new Map<number, number>();
const write = (slot: number, frame: number): void => {
  const bits =
    frame === 0 ? 0 : Pte.P | Pte.W | Pte.U | (random(2) ? Pte.A | Pte.D : 0) | (!slotByMovCr3(slot) && random(3) === 0 ? Pte.G : 0);
  const table = translate(-(2 ** 47) + WINDOW_SLOT * 4096, PageAccess.WRITE);
  machine.partition.u64[(table + slot * 8) >>> 3] = BigInt(frame * 4096 + bits);
  own.set(slot, frame);
};
const check = (slot: number, access: number): void => {
  const spa = translate(slotAddress(slot), access);
  const expected = own.get(slot);
  if (expected !== undefined) {
    if (spa !== (expected === 0 ? 0 : spaOf(expected)))
      throw new Error(`LP ${data.lp}: own slot ${slot} leads to ${(spa - PartitionMap.RAM) / 4096} and should lead to ${expected}`);
  } else if (spa !== 0 && (spa < spaOf(FIRST_FRAME) || spa >= spaOf(FIRST_FRAME + FRAMES)))
    throw new Error(`LP ${data.lp}: slot ${slot} leads to SPA ${spa.toString(16)}`);
};
const ownSlot = (): number => {
  for (;;) {
    const slot = random(SLOTS);
    if (slot % data.lps === data.lp) return slot;
  }
};

const operation = (): void => {
  const dice = random(1000);
  const { handshake, vtlb } = lp;
  if (dice < 620) check(random(SLOTS), random(3) === 0 ? PageAccess.WRITE : PageAccess.READ);
  else if (dice < 800) check(ownSlot(), random(2) ? PageAccess.WRITE : PageAccess.READ);
  else if (dice < 930) {
    const slot = ownSlot();
    write(slot, random(5) === 0 ? 0 : FIRST_FRAME + random(FRAMES));
    if (slotByMovCr3(slot)) vtlb.switchAddressSpace(Flush.NON_GLOBAL);
    else vtlb.invlpg(slotAddress(slot));
    check(slot, PageAccess.READ);
  } else if (dice < 965) {
    vp.cr3Num = ROOTS[random(ROOTS.length)] * 4096;
    vtlb.switchAddressSpace(Flush.NON_GLOBAL);
  } else if (dice < 972) vtlb.flush(Flush.ALL);
  else if (dice < 976) vtlb.flushPartition();
  else if (dice < 982) handshake.requestFlush(handshake.othersLow());
  else if (dice < 988) {
    const frame = FIRST_FRAME + random(FRAMES);
    handshake.watchCode(frame);
    if (random(2)) handshake.unwatchCode(frame);
  } else if (dice < 991) {
    handshake.stopOthers();
    const value = i32[BUS_COUNTER >>> 2];
    for (let i = 0; i < 20; i++) check(ownSlot(), PageAccess.READ);
    i32[BUS_COUNTER >>> 2] = value + 1;
    busLocks++;
    handshake.releaseOthers();
  } else if (dice < 993) {
    handshake.leaveGuest();
    vtlb.unload();
    vtlb.load(vp);
    handshake.enterGuest();
  } else if (data.lp === 0) {
    // In turn: a short run, too, has every policy changed.
    const policy = SWITCHED[policyChanges++ % SWITCHED.length];
    const word = (MachineLayout.at.policies >>> 2) + policy.word;
    machine.machine.i32[word] = (machine.machine.i32[word] + 1) % policy.values.length;
  }
};

let error: string | null = null;
try {
  for (let slot = data.lp; slot < SLOTS; slot += data.lps) own.set(slot, u32[entry64(TABLE, slot) >>> 2] >>> 12);
  lp.vtlb.load(vp);
  lp.handshake.enterGuest();
  for (let n = 0; data.until === 0 ? n < data.operations : (n & 255) !== 0 || Date.now() < data.until; n++) {
    operation();
    if (Atomics.load(i32, (context + LpContextLayout.at.kick) >>> 2) !== 0) {
      Atomics.store(i32, (context + LpContextLayout.at.kick) >>> 2, 0);
      lp.handshake.acknowledge();
    }
  }
} catch (thrown) {
  error = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
}
lp.handshake.leaveGuest();
parentPort?.postMessage({ lp: data.lp, error, hits, fills, busLocks } satisfies StressResult);
