// Sixteen processes with one kernel half, as operating systems have them: how many shadow tables they need, and how many fills, by `vtlb.share`. Counts: the same on every host.
import { Flush } from '../../daemon/hypervisor/vtlb/loaded-space.js';
import { PageFault } from '../../daemon/hypervisor/vtlb/page-faults.js';
import { Walk } from '../../daemon/machine/walker.js';
import { vtlbCounters } from '../../daemon/root/vtlb-view/counters.js';
import { MachineLayout } from '../../shared/layout/machine.js';
import { PageAccess, Pte } from '../../shared/layout/paging.js';
import { findPolicy, settingOf } from '../../shared/protocol/policies.js';
import { entry64, longVp, makeLp, makeMachine, resetMachine } from '../interleave/small-machine.js';

export interface CommonHalfRow {
  readonly share: string;
  readonly tables: number;
  readonly fills: number;
  /** How often all other LPs left guest mode for a link. */
  readonly stops: number;
}

const PROCESSES = 16;
/** Leaf tables of the kernel half; pages touched behind each, by each process. */
const KERNEL_TABLES = 32;
const TOUCHED = 4;
const RIGHTS = Pte.P | Pte.W | Pte.U | Pte.A | Pte.D;
const UPPER_HALF = -(2 ** 47);
const [ROOT, OWN, KERNEL, DATA] = [1, 1 + PROCESSES, 1 + 4 * PROCESSES, 120];

const measure = (share: string): CommonHalfRow => {
  const m = makeMachine(128, 1);
  resetMachine(m, 2000);
  for (const [name, value] of [
    ['vtlb.share', share],
    ['vtlb.tags', '64'],
  ] as const)
    m.machine.i32[(MachineLayout.at.policies >>> 2) + findPolicy(name)!.word] = settingOf(findPolicy(name)!, value);
  const set = (table: number, index: number, frame: number): void => {
    m.partition.i32[entry64(table, index) >>> 2] = (frame * 4096) | RIGHTS;
  };
  for (let process = 0; process < PROCESSES; process++) {
    const own = OWN + 3 * process;
    set(ROOT + process, 0, own);
    set(own, 0, own + 1);
    set(own + 1, 0, own + 2);
    for (let page = 0; page < TOUCHED; page++) set(own + 2, page, DATA);
    set(ROOT + process, 256, KERNEL);
  }
  set(KERNEL, 0, KERNEL + 1);
  for (let table = 0; table < KERNEL_TABLES; table++) {
    set(KERNEL + 1, table, KERNEL + 2 + table);
    for (let page = 0; page < TOUCHED; page++) set(KERNEL + 2 + table, page, DATA + 1);
  }
  const { walker, vtlb } = makeLp(m, 0);
  const vp = longVp(m, 0, ROOT);
  vtlb.load(vp);
  const touch = (gva: number): void => {
    while (walker.walk(gva, PageAccess.READ) !== Walk.HIT)
      if (vtlb.pageFault(gva, PageAccess.READ) !== PageFault.FILLED) throw new Error(`no fill at ${gva.toString(16)}`);
  };
  for (let round = 0; round < 3; round++)
    for (let process = 0; process < PROCESSES; process++) {
      vp.cr3Num = (ROOT + process) * 4096;
      vtlb.switchAddressSpace(Flush.NON_GLOBAL);
      for (let page = 0; page < TOUCHED; page++) {
        touch(page * 4096);
        for (let table = 0; table < KERNEL_TABLES; table++) touch(UPPER_HALF + table * 0x20_0000 + page * 4096);
      }
    }
  const { sptLive, fills, nodeLinks } = vtlbCounters(m.partition) as Record<string, number>;
  return { share, tables: sptLive!, fills: fills!, stops: nodeLinks! };
};

export const measureCommonHalf = (): CommonHalfRow[] => ['off', '2', '3'].map(measure);

export const commonHalfMarkdown = (rows: readonly CommonHalfRow[]): string => {
  const off = rows[0]!;
  const lines = [
    `| ${PROCESSES} processes with one kernel half | shadow tables | | fills | links, each with all LPs out of guest mode | bar |`,
    '| --- | ---: | ---: | ---: | ---: | --- |',
  ];
  for (const { share, tables, fills, stops } of rows)
    lines.push(
      `| \`vtlb.share=${share}\` | ${tables} | ${Math.round((100 * tables) / off.tables)} % | ${fills} | ${stops} | ${share === 'off' ? '' : '≤ 40 % of the tables'} |`,
    );
  return lines.join('\n');
};
