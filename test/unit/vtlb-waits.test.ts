// What LPs wait for in the vTLB is counted: every wait of an invalidation, and those of instructions that serialize by themselves (US7788464B2), under each lock.
import test from 'ava';
import type { LpMmu } from '../../daemon/hypervisor/vtlb/create-vtlb.js';
import { Flush } from '../../daemon/hypervisor/vtlb/loaded-space.js';
import { InvpcidType } from '../../daemon/machine/processor.js';
import { SharedWords } from '../../daemon/machine/shared-words.js';
import { vtlbCounters } from '../../daemon/root/vtlb-view/counters.js';
import { MachineLayout } from '../../shared/layout/machine.js';
import { PageAccess, Pte } from '../../shared/layout/paging.js';
import { PartitionLayout } from '../../shared/layout/partition.js';
import { generationAt, LockMode, Sas, Spt, sasAt, sptHeaderAt, vtlbWord } from '../../shared/layout/vtlb.js';
import { findPolicy, settingOf } from '../../shared/protocol/policies.js';
import { entry32, legacyVp, makeLp, makeMachine, resetMachine } from '../interleave/small-machine.js';

const ROOT = 1;
const TABLE = 2;
const PAGE = 0x5000;
const RW = Pte.P | Pte.W | Pte.U | Pte.A | Pte.D;
const SLOW_MS = 2;
const m = makeMachine(32, 2);

/** Whoever is waited for takes his time, and is done then. */
class OthersThatEnd extends SharedWords {
  ended = 0;
  override awaitChange(address: number, value: number): void {
    this.#end(address, value === 1 && address !== generationAt(1) ? 0 : value + 1);
  }
  override wait(address: number): void {
    this.#end(address, 0);
  }
  #end(address: number, value: number): void {
    const start = performance.now();
    while (performance.now() - start < SLOW_MS);
    this.store(address, value);
    this.ended++;
  }
}

interface Case {
  readonly lp: LpMmu;
  readonly words: OthersThatEnd;
}
const begin = (lock: string, tags: string): Case => {
  resetMachine(m, 16);
  const { i32 } = m.partition;
  for (const [name, value] of [
    ['vtlb.lock', lock],
    ['vtlb.tags', tags],
  ])
    m.machine.i32[(MachineLayout.at.policies >>> 2) + findPolicy(name!).word] = settingOf(findPolicy(name!), value!);
  i32[vtlbWord('lockMode') >>> 2] = lock === 'generation' ? LockMode.GENERATION : lock === 'global' ? LockMode.GLOBAL : LockMode.FINE;
  i32[entry32(ROOT, 0) >>> 2] = (TABLE << 12) | RW;
  i32[entry32(TABLE, PAGE >>> 12) >>> 2] = (16 << 12) | RW;
  const words = new OthersThatEnd(m.partition);
  const lp = makeLp(m, 0, { words });
  i32[PartitionLayout.at.lpsLow >>> 2] = 3;
  lp.vtlb.load(legacyVp(m, 0, ROOT));
  lp.vtlb.pageFault(PAGE, PageAccess.READ);
  words.ended = 0;
  return { lp, words };
};
/** The other LP is inside a fill, or holds a lock: of all, or of the root. */
const occupy = (lock: string): void => {
  const { i32, u32 } = m.partition;
  if (lock === 'generation') i32[generationAt(1) >>> 2] |= 1;
  else if (lock === 'global') i32[vtlbWord('globalLock') >>> 2] = 1;
  else i32[(sptHeaderAt(u32[(sasAt(0) + Sas.root) >>> 2]!) + Spt.lock) >>> 2] = 1;
};
const WAITS = { generation: 'pendingFillWaits', global: 'globalLockWaits', fine: 'sptLockWaits' } as const;

for (const lock of ['generation', 'global', 'fine'] as const)
  for (const tags of ['1', '64'])
    test.serial(`vtlb.lock=${lock}, vtlb.tags=${tags}: MOV CR3 and INVPCID have a count of their own, INVLPG has not`, (t) => {
      const acts: readonly (readonly [what: string, act: (lp: LpMmu) => void, serializes: boolean])[] = [
        ['MOV CR3', (lp) => lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL), true],
        ['MOV CR4', (lp) => lp.vtlb.switchAddressSpace(Flush.ALL), true],
        ['INVPCID', (lp) => lp.vtlb.invpcid(InvpcidType.ALL, 0, 0), true],
        ['INVLPG', (lp) => lp.vtlb.invlpg(PAGE), false],
      ];
      for (const [what, act, serializes] of acts) {
        const { lp, words } = begin(lock, tags);
        const before = vtlbCounters(m.partition);
        act(lp);
        t.is(words.ended, 0);
        t.is(vtlbCounters(m.partition).serializingWaits, before.serializingWaits, `${what}: nobody to wait for`);
        occupy(lock);
        act(lp);
        const after = vtlbCounters(m.partition);
        const waits = after[WAITS[lock]]! - before[WAITS[lock]]!;
        t.is(waits, words.ended, what);
        const own = after.serializingWaits! - before.serializingWaits!;
        const us = after.serializingWaitUs! - before.serializingWaitUs!;
        t.is(own, serializes ? waits : 0, what);
        t.true(serializes ? us >= waits * SLOW_MS * 1000 - waits : us === 0, `${what}: ${us} microseconds`);
        // Under table locks what is forgotten by its generation has none to be waited for; where spaces are tracked a clean one is not gone over.
        const touches = lock !== 'fine' || what === 'INVLPG' || (tags === '1' && what === 'MOV CR3');
        t.is(waits > 0, touches, `${what}: ${waits} waits`);
      }
    });
