// What happens to a fill of daemon/shortcuts when the lock mode or the generation changes at any moment of it: one that is outside its counter then, where nobody waits for
// it, is given up; and nothing but the build without the look goes on. By the gated build, whose gate is the other LP.
import test from 'ava';
import { PageAccess, Pte } from '../../shared/layout/paging.js';
import { lpContextAt, vpBlockAt } from '../../shared/layout/partition.js';
import { ShortcutFault } from '../../shared/layout/translation-fields.js';
import { VpBlock } from '../../shared/layout/vp.js';
import { generationAt, LockMode, vtlbWord } from '../../shared/layout/vtlb.js';
import { entry32, legacyVp, makeLp, makeMachine, resetMachine } from '../interleave/small-machine.js';
import { gatedShortcuts } from '../rig/short-mmu.js';

const RW = Pte.P | Pte.W | Pte.U | Pte.A | Pte.D;
const PAGE = 0x5000;
const NEIGHBOUR = 0x6000;
const m = makeMachine(64, 2);
const { i32 } = m.partition;

/** Moments of a fill, how many of them were outside, and at how many of these it went on to the end all the same. */
const fillWith = (fault: ShortcutFault, change: () => void, undo: () => void): { moments: number; outside: number; wrong: number } => {
  resetMachine(m, 16);
  legacyVp(m, 0, 1);
  i32[entry32(1, 0) >>> 2] = (2 << 12) | RW;
  for (const [page, frame] of [
    [PAGE, 16],
    [NEIGHBOUR, 18],
  ] as const)
    i32[entry32(2, page >>> 12) >>> 2] = (frame << 12) | RW;
  const lp = makeLp(m, 0);
  const vp = new VpBlock(m.partition, vpBlockAt(0));
  lp.vtlb.load(vp);
  lp.vtlb.pageFault(NEIGHBOUR, PageAccess.READ);
  const found = { moments: 0, outside: 0, wrong: 0 };
  for (let at = 1; ; at++) {
    let gates = 0;
    let outside = false;
    const gate = (): void => {
      if (++gates !== at) return;
      outside = (i32[generationAt(0) >>> 2]! & 1) === 0;
      change();
    };
    const short = gatedShortcuts(m.memory, gate, fault);
    short.attach(vp.base, lpContextAt(0));
    const filled = short.fillPage(PAGE, PageAccess.READ) !== 0;
    undo();
    if (gates < at) return found;
    found.moments++;
    // The last moment is that of the step outside: the fill is over.
    const over = gates === at;
    if (outside && !over) {
      found.outside++;
      if (filled) found.wrong++;
    }
    lp.vtlb.invlpg(PAGE);
  }
};

const set = (address: number, value: number) => (): void => {
  i32[address >>> 2] = value;
};
const MODE = vtlbWord('lockMode');
const GENERATION = vtlbWord('generation');
for (const [what, fault, change, undo] of [
  ['the lock mode', ShortcutFault.NO_SECOND_LOOK, set(MODE, LockMode.GLOBAL), set(MODE, LockMode.GENERATION)],
  ['the generation', ShortcutFault.ANY_GENERATION, set(GENERATION, 1), set(GENERATION, 0)],
] as const)
  test.serial(`${what} changes while nobody waits for a fill: it is given up`, (t) => {
    const right = fillWith(ShortcutFault.NONE, change, undo);
    t.true(right.moments > 10 && right.outside > 0);
    t.is(right.wrong, 0);
    const wrong = fillWith(fault, change, undo);
    t.true(wrong.wrong > 0);
  });
