// RDRAND and RDSEED: both draw from the VP's seeded generator, which always has a number ready. What a model lacks is #UD at translation.
// References: SDM 2B RDRAND, RDSEED (CF = 1: the value is valid; OF, SF, ZF, AF, PF = 0).
import { Rflags } from '../../../shared/abi/registers.js';
import { nextRandom } from '../../../shared/layout/vp-random.js';
import { sysB, sysWidth } from '../../translate/micro-op.js';
import type { Processor } from '../processor.js';
import { writeArithmeticFlags } from './flags.js';
import { setSlot16, setSlotHalves } from './slots.js';

export const readRandom = (p: Processor, d: number): number => {
  const { vp } = p;
  const width = sysWidth(d);
  const lo = nextRandom(vp);
  if (width === 1) setSlot16(vp, sysB(d), lo);
  else setSlotHalves(vp, sysB(d), lo, width === 3 ? nextRandom(vp) : 0);
  writeArithmeticFlags(vp, Rflags.CF);
  return 0;
};
