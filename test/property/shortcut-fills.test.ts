// Fills, walks and INVLPG in daemon/shortcuts against those in TypeScript: random guests of every paging mode and under every policy, twice, which leave the same words in
// shared memory, TLBs, accounts and clocks. And by themselves, under the oracle, which finds them when they lack a step. A longer run:
//   HVD_GUESTS=1000 HVD_SEED=100 bash test/run.sh dist/test/property/shortcut-fills.test.js
import test from 'ava';
import { ShadowMmu } from '../../daemon/hypervisor/shadow-mmu.js';
import { LpContext, LpContextLayout, SHORTCUT_EXITS, TLB_BANK_SIZE, TLB_BANKS } from '../../shared/layout/lp-context.js';
import { lpContextAt, PartitionMap, vpBlockAt } from '../../shared/layout/partition.js';
import { ShortcutFault } from '../../shared/layout/translation-fields.js';
import { VP_BLOCK_SIZE, type VpCounter, VpLayout, vpCounterIndex } from '../../shared/layout/vp.js';
import {
  GPT_INDEX,
  generationAt,
  MAPPING_HEADS,
  SPT_HEADER_SIZE,
  SPT_HEADERS,
  SPT_PAGES,
  TRACK_STATES,
  VTLB_COUNTERS,
  vtlbCountersAt,
} from '../../shared/layout/vtlb.js';
import { LPS, type MakeMmu, NO_CACHE, PAGES, RandomGuest, SPTS, VPS } from '../interleave/random-guest.js';
import type { SmallMachine } from '../interleave/small-machine.js';
import { gatedShortcuts, ShortMmu, shortcutsAlone } from '../rig/short-mmu.js';

const GUESTS = Number(process.env.HVD_GUESTS ?? 30);
const SEED = Number(process.env.HVD_SEED ?? 1);
const STEPS = 500;
const COSTS = { interceptRoundTrip: 1000, sptFill: 400, tlbWalkLevel: 20, counterRead: 40, tableSweep: 300, flushHandshake: 1500 };
const FILL_CHARGE = COSTS.interceptRoundTrip + COSTS.sptFill;

/** An LP whose intercepts are counted and charged as a partition's are, in the VP block and the LP context. */
const accounted =
  (short: ((machine: SmallMachine) => ReturnType<typeof shortcutsAlone>) | undefined, made: ShadowMmu[]): MakeMmu =>
  (machine, lp, fault) => {
    const { partition } = machine;
    const context = new LpContext(partition, lpContextAt(lp));
    context.budget = context.aside = context.clockEndNum = 0;
    partition.u32[(context.exitCycles >>> 2) + SHORTCUT_EXITS.indexOf('fill')] = FILL_CHARGE;
    let vp = 0;
    const count = (name: VpCounter): void => {
      partition.u32[((vp + VpLayout.at.counters) >>> 2) + vpCounterIndex[name]]!++;
    };
    const charge = (cycles: number): void => {
      context.budget -= cycles;
    };
    const listener = {
      tlbMiss: () => count('hardwareTlbMisses'),
      pageFault: () => {
        count('pageFaultIntercepts');
        charge(FILL_CHARGE);
      },
      reflected: () => undefined,
    };
    const time = { costs: COSTS, now: () => -context.budget, charge };
    const parts = [machine.machine, partition, lp, NO_CACHE, fault, listener, { time }] as const;
    const mmu = short === undefined ? new ShadowMmu(...parts) : new ShortMmu(machine, short(machine), ...parts);
    const load = mmu.load.bind(mmu);
    mmu.load = (block) => {
      vp = block.base;
      load(block);
    };
    made.push(mmu);
    return mmu;
  };

/** What both must agree on, all but which shortcuts there are, and the numbers of two things: walks, which are counted at other moments, and entries into fills, which the shortcuts may give up. */
const REGIONS: readonly (readonly [name: string, from: number, bytes: number])[] = [
  ['vTLB header, SASes, records', PartitionMap.VTLB, GPT_INDEX - PartitionMap.VTLB],
  ['guest table index', GPT_INDEX, PAGES * 4],
  ['mappings', MAPPING_HEADS, PAGES * 4],
  ['states', TRACK_STATES, PAGES * 4],
  ['SPT headers', SPT_HEADERS, SPTS * SPT_HEADER_SIZE],
  ['SPTs', SPT_PAGES, SPTS * 4096],
  ['page flags', PartitionMap.PAGE_FLAGS, PAGES * 4],
  ['VPs', vpBlockAt(0), VPS * VP_BLOCK_SIZE],
  ['guest memory', PartitionMap.RAM, PAGES * 4096],
  ...Array.from({ length: LPS }, (_, lp) => lp).flatMap((lp): [string, number, number][] => {
    const { at } = LpContextLayout;
    const context = lpContextAt(lp);
    return [
      [`LP ${lp}: budget`, context, at.shortcuts],
      [`LP ${lp}: root`, context + at.root, at.exits - at.root],
      [`LP ${lp}: vTLB`, context + at.exitCycles, at.jump - at.exitCycles],
      [`LP ${lp}: TLB`, context + at.tlbs, TLB_BANKS * TLB_BANK_SIZE],
    ];
  }),
];
const WALKS = VTLB_COUNTERS.indexOf('walks') * 4;
const difference = (a: SmallMachine, b: SmallMachine): string | null => {
  for (const { partition } of [a, b])
    for (let lp = 0; lp < LPS; lp++) {
      partition.u32[(vtlbCountersAt(lp) + WALKS) >>> 2] = 0;
      partition.u32[generationAt(lp) >>> 2] &= 1;
    }
  for (const [name, from, bytes] of REGIONS) {
    const [one, other] = [a, b].map(({ memory }) => Buffer.from(memory.buffer as unknown as ArrayBuffer, from, bytes));
    if (one!.equals(other!)) continue;
    const at = one!.findIndex((byte, n) => byte !== other![n]) & ~3;
    return `${name} + 0x${at.toString(16)}: ${one!.readInt32LE(at).toString(16)} and ${other!.readInt32LE(at).toString(16)}`;
  }
  return null;
};

let first: SmallMachine | undefined;
let second: SmallMachine | undefined;
test.serial('random guests leave the same in memory, with and without', (t) => {
  const taken = { walks: 0, invalidations: 0 };
  for (let seed = SEED; seed < SEED + GUESTS; seed++) {
    const made: ShadowMmu[] = [];
    const plain: RandomGuest = new RandomGuest(seed, first, accounted(undefined, []));
    const short: RandomGuest = new RandomGuest(
      seed,
      second,
      accounted(({ memory }) => shortcutsAlone(memory), made),
    );
    first = plain.machine;
    second = short.machine;
    for (let step = 0; step < STEPS; step++) {
      plain.step();
      short.step();
      if (step % 10 === 9) t.is(difference(first, second), null, `guest ${seed}, step ${step}`);
    }
    for (const mmu of made) {
      taken.walks += (mmu as ShortMmu).taken.walks;
      taken.invalidations += (mmu as ShortMmu).taken.invalidations;
    }
  }
  t.log(JSON.stringify(taken));
  t.true(taken.walks > GUESTS && taken.invalidations > GUESTS / 4);
});

for (const [name, fault] of [
  ['no clear', ShortcutFault.NO_CLEAR],
  ['the right to write a page is granted whatever it holds', ShortcutFault.GRANT_ALL],
] as const)
  test.serial(`the mutant is found: ${name}`, (t) => {
    for (let seed = 1; seed <= 60; seed++) {
      const make = accounted(({ memory }) => gatedShortcuts(memory, () => undefined, fault), []);
      const guest: RandomGuest = new RandomGuest(seed, second, make, false);
      second = guest.machine;
      try {
        for (let step = 0; step < STEPS; step++) guest.step();
      } catch (error) {
        t.log(`guest ${seed}: ${error instanceof Error ? error.message : error}`);
        t.pass();
        return;
      }
    }
    t.fail('60 guests have not met it');
  });
