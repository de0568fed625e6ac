// What scenarios of the vTLB have in common: guests in a few pages of memory, and what their VPs do.
// Why 32-bit paging mostly: two levels of guest tables make short schedules, so that all of them with two preemptions can be run.
import { Flush } from '../../../daemon/hypervisor/vtlb/loaded-space.js';
import { PageFault } from '../../../daemon/hypervisor/vtlb/page-faults.js';
import { SharedWords } from '../../../daemon/machine/shared-words.js';
import { HardwareWalker, Walk } from '../../../daemon/machine/walker.js';
import { MachineLayout } from '../../../shared/layout/machine.js';
import { PageAccess, Pte } from '../../../shared/layout/paging.js';
import { PartitionMap, vpBlockAt } from '../../../shared/layout/partition.js';
import { VpBlock } from '../../../shared/layout/vp.js';
import { Sas, sasAt, sptPageAt } from '../../../shared/layout/vtlb.js';
import { findPolicy, settingOf } from '../../../shared/protocol/policies.js';
import { checkTranslations } from '../oracle.js';
import { LAST, type ScenarioThread } from '../scenario.js';
import { entry32, legacyVp, type SmallMachine, spaOf } from '../small-machine.js';
import { checkStructure } from '../structure-check.js';

export const RW = Pte.P | Pte.W | Pte.U | Pte.A | Pte.D;
export const ROOT = 1;
export const TABLE = 2;
export const ROOT_B = 3;
export const TABLE_B = 4;
export const OLD = 16;
export const NEW = 17;
export const PAGE = 0x5000;
export const NEIGHBOUR = 0x6000;
/** Ghost word, seen by the scenario only: a partition-memory word that nothing else uses. */
export const GHOST = PartitionMap.DEVICES;
export const COUNTER = PartitionMap.DEVICES + 64;
/** Of a mutant that remembers what it did not find. */
export const ABSENT = PartitionMap.DEVICES + 128;
export const vpOf = ({ machine, index }: ScenarioThread): VpBlock => new VpBlock(machine.partition, vpBlockAt(index));
/** Two (three) VPs in one address space: PAGE maps to OLD, its neighbour to frame 18. */
export const oneSpace = (m: SmallMachine): void => {
  const { i32 } = m.partition;
  for (let vp = 0; vp < m.lps; vp++) legacyVp(m, vp, ROOT);
  i32[entry32(ROOT, 0) >>> 2] = (TABLE << 12) | RW;
  i32[entry32(TABLE, PAGE >>> 12) >>> 2] = (OLD << 12) | RW;
  i32[entry32(TABLE, NEIGHBOUR >>> 12) >>> 2] = (18 << 12) | RW;
  i32[GHOST >>> 2] = 0;
  i32[COUNTER >>> 2] = 0;
  i32[ABSENT >>> 2] = 0;
};

/** The processor's way to a page: walk, on a miss the intercept, walk again. SPA of the page. */
export const translate = ({ lp }: ScenarioThread, gva: number, access: number = PageAccess.READ): number => {
  for (;;) {
    if (lp.walker.walk(gva, access) === Walk.HIT) return lp.walker.spa;
    const result = lp.vtlb.pageFault(gva, access);
    if (result === PageFault.ONCE) return lp.vtlb.found.spa & ~4095;
    if (result !== PageFault.FILLED) throw new Error(`page fault ended with ${result}, error code ${lp.vtlb.found.errorCode}`);
  }
};
export const load = (t: ScenarioThread): void => void t.lp.vtlb.load(vpOf(t));
/** Links the tables of the page's region beforehand, so that the race is about the leaf. */
export const loadWarm = (t: ScenarioThread): void => {
  load(t);
  if (t.index === LAST) translate(t, NEIGHBOUR);
};
export const policyWord = (name: string): number => (MachineLayout.at.policies >>> 2) + findPolicy(name).word;
export const setPolicy = (m: SmallMachine, name: string, value: string): void => {
  m.machine.i32[policyWord(name)] = settingOf(findPolicy(name), value);
};
export const expectPage = (t: ScenarioThread, gva: number, frame: number): void => {
  const spa = translate(t, gva);
  if (spa !== spaOf(frame)) throw new Error(`LP ${t.index} reaches frame ${(spa - PartitionMap.RAM) >>> 12} and must reach ${frame}`);
};
export const remap = (t: ScenarioThread, gva: number, frame: number): void => t.words.store(entry32(TABLE, gva >>> 12), (frame << 12) | RW);
export const inGuest = (t: ScenarioThread, body: () => void): void => {
  t.lp.handshake.enterGuest();
  body();
  t.lp.handshake.leaveGuest();
};
export const touch = (t: ScenarioThread): void => inGuest(t, () => void translate(t, PAGE));
/** A second table in which the page is NEW, and the directory's change to it. */
export const withOtherTable = (setup: (m: SmallMachine) => void, m: SmallMachine): void => {
  setup(m);
  m.partition.i32[entry32(TABLE_B, PAGE >>> 12) >>> 2] = (NEW << 12) | RW;
};
export const replaceDirectoryEntry = (t: ScenarioThread): void => {
  t.words.store(entry32(ROOT, 0), (TABLE_B << 12) | RW);
  t.lp.vtlb.invlpg(PAGE);
  expectPage(t, PAGE, NEW);
};
export const remapThenInvlpg = (t: ScenarioThread): void => {
  remap(t, PAGE, NEW);
  t.lp.vtlb.invlpg(PAGE);
  expectPage(t, PAGE, NEW);
};

/** Every change was followed by an INVLPG: no entry of the shared SAS may differ from the guest's tables. */
export const noStaleEntry = (m: SmallMachine): string | null => {
  const walker = new HardwareWalker(new SharedWords(m.partition));
  walker.root = sptPageAt(m.partition.u32[(sasAt(0) + Sas.root) >>> 2]);
  return checkTranslations(m, new VpBlock(m.partition, vpBlockAt(0)), walker, [PAGE, NEIGHBOUR]) ?? checkStructure(m);
};
export const fault = (t: ScenarioThread): void => void t.lp.vtlb.pageFault(PAGE, PageAccess.READ);
export const movCr3 = (t: ScenarioThread): void => t.lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
export const turnTo = (t: ScenarioThread, root: number): void => {
  vpOf(t).cr3Num = root * 4096;
  movCr3(t);
};
