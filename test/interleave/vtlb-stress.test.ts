// Real LP threads on one vTLB with a pool that is too small: random edits, invalidations, reclaims, changes of the lock. Each LP knows what its own pages
// must lead to at any moment, while every policy of the vTLB changes; at the end the whole vTLB is checked at rest. Freed tables hold poison all the while.
// Seeded: HVD_SEED replays the choices, not the host's scheduling. For ten minutes of eight LPs:  HVD_SECONDS=600 bash test/run.sh dist/test/interleave/vtlb-stress.test.js -m '8 LPs*'
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { SharedWords } from '../../daemon/machine/shared-words.js';
import { HardwareWalker } from '../../daemon/machine/walker.js';
import { vtlbCounters } from '../../daemon/root/vtlb-view/counters.js';
import { Pte } from '../../shared/layout/paging.js';
import { vpBlockAt } from '../../shared/layout/partition.js';
import { VpBlock } from '../../shared/layout/vp.js';
import { SAS_MAX, Sas, sasAt, sptPageAt, TrackMode, vtlbWord } from '../../shared/layout/vtlb.js';
import { checkTranslations, memoryOf } from './oracle.js';
import { entry64, longVp, makeMachine, resetMachine } from './small-machine.js';
import { checkSpaces } from './space-check.js';
import {
  BUS_COUNTER,
  DIRECTORY,
  DIRECTORY_POINTERS,
  FIRST_FRAME,
  FRAMES,
  ROOTS,
  SLOTS,
  slotAddress,
  slotByMovCr3,
  TABLE,
  UPPER_HALF,
  WINDOW_SLOT,
} from './stress-layout.js';
import type { StressData, StressResult } from './stress-worker.js';
import { checkStructure } from './structure-check.js';
import { checkTracking } from './track-check.js';

const PAGES = 512;
const SECONDS = Number(process.env.HVD_SECONDS ?? 0);
const OPERATIONS = Number(process.env.HVD_OPERATIONS ?? 40_000);

for (const lps of [2, 4, 8])
  test.serial(`${lps} LPs agree with their page tables under edits, flushes and reclaim`, async (t) => {
    t.timeout(120_000 + SECONDS * 1000);
    const seed = Number(process.env.HVD_SEED ?? 1);
    t.log(`HVD_SEED=${seed}`);
    const m = makeMachine(PAGES, lps);
    // Too small for what the LPs use.
    resetMachine(m, 40 + 16 * lps);
    const { i32, u64 } = m.partition;
    const table = (frame: number): bigint => BigInt(frame * 4096 + (Pte.P | Pte.W | Pte.U));
    for (const root of ROOTS) for (let i = 0; i < 3; i++) u64[entry64(root, UPPER_HALF + i) >>> 3] = table(DIRECTORY_POINTERS);
    for (let i = 0; i < 5; i++) u64[entry64(DIRECTORY_POINTERS, i) >>> 3] = table(DIRECTORY);
    for (let i = 0; i < 7; i++) u64[entry64(DIRECTORY, i) >>> 3] = table(TABLE);
    for (let slot = 0; slot < SLOTS; slot++) u64[entry64(TABLE, slot) >>> 3] = table(FIRST_FRAME + (slot % FRAMES));
    u64[entry64(TABLE, WINDOW_SLOT) >>> 3] = table(TABLE);
    i32[BUS_COUNTER >>> 2] = 0;
    for (let lp = 0; lp < lps; lp++) longVp(m, lp, ROOTS[lp % ROOTS.length]);
    const results = await Promise.all(
      Array.from({ length: lps }, (_, lp) => {
        const workerData: StressData = {
          partition: m.memory,
          machine: m.machine.buffer as SharedArrayBuffer,
          pages: PAGES,
          lps,
          lp,
          seed: seed * 31 + lp * 7919,
          operations: OPERATIONS / lps,
          until: SECONDS === 0 ? 0 : Date.now() + SECONDS * 1000,
        };
        return new Promise<StressResult>((resolve, reject) => {
          const worker = new Worker(new URL('./stress-worker.js', import.meta.url), { workerData });
          worker.once('message', resolve).once('error', reject);
        });
      }),
    );
    for (const result of results) t.is(result.error, null);
    t.is(
      i32[BUS_COUNTER >>> 2],
      results.reduce((n, r) => n + r.busLocks, 0),
    );
    t.is(checkStructure(m), null);
    t.is(checkTracking(m, []), null);
    t.is(checkSpaces(m, memoryOf(m), -1), null);
    const addresses = Array.from({ length: SLOTS }, (_, slot) => slot)
      .filter((slot) => !slotByMovCr3(slot))
      .map(slotAddress);
    const walker = new HardwareWalker(new SharedWords(m.partition));
    const vp = new VpBlock(m.partition, vpBlockAt(0));
    // Where nothing is tracked, INVLPG has cleared the page in every SAS.
    const untracked = i32[vtlbWord('trackMode') >>> 2] === TrackMode.OFF;
    for (let sas = 0; untracked && sas < SAS_MAX; sas++) {
      const at = sasAt(sas) >>> 2;
      // One of an older generation is empty, whatever it holds.
      if (i32[at + (Sas.users >> 2)] < 0 || i32[at + (Sas.generation >> 2)] !== i32[vtlbWord('generation') >>> 2]) continue;
      walker.root = sptPageAt(i32[at + (Sas.root >> 2)]);
      vp.cr3Num = i32[at + (Sas.cr3Lo >> 2)];
      t.is(checkTranslations(m, vp, walker, addresses), null);
    }
    const counters = vtlbCounters(m.partition);
    t.log(JSON.stringify(counters));
    for (const name of [
      'fills',
      'invalidations',
      'reclaims',
      'sptFreed',
      'wholeFlushes',
      'lockModeChanges',
      'globalLockTaken',
      'trackModeChanges',
      'pageTableWriteIntercepts',
      'tablesProtected',
    ])
      t.true(counters[name] > 0, name);
  });
