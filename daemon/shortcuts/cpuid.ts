// CPUID from the LP's kept answers (machine/cpuid-answers). The charge is that of the intercept, at the same moment; it is counted when guest code is left.
import {
  ANSWER_CYCLES,
  ANSWER_ENTRIES,
  ANSWER_SIZE,
  ANSWERS,
  ANSWERS_GIVEN,
  ANSWERS_VERSION,
  BUDGET,
  EAX,
  EBX,
  ECX,
  EDX,
  KICK,
  LEAF,
  RAX,
  RBX,
  RCX,
  RDX,
  SUBLEAF,
  VERSION,
} from './layout';
import { context, vp } from './processor';

/** False: nothing is kept for the leaf. */
export function cpuid(): bool {
  // A serializing instruction: what another processor changed comes with a kick, which must be seen after it (SDM 3A 9.3).
  if (load<i32>(context + KICK) != 0) return false;
  const leaf = load<i32>(vp + RAX);
  const kept = context + ANSWERS + ((leaf ^ (leaf >>> 29)) & (ANSWER_ENTRIES - 1)) * ANSWER_SIZE;
  if (load<i32>(kept + LEAF) != leaf || load<i32>(kept + SUBLEAF) != load<i32>(vp + RCX)) return false;
  if (load<i32>(kept + VERSION) != load<i32>(context + ANSWERS_VERSION)) return false;
  store<i64>(vp + RAX, load<u32>(kept + EAX));
  store<i64>(vp + RBX, load<u32>(kept + EBX));
  store<i64>(vp + RCX, load<u32>(kept + ECX));
  store<i64>(vp + RDX, load<u32>(kept + EDX));
  store<i32>(context + BUDGET, load<i32>(context + BUDGET) - load<i32>(context + ANSWER_CYCLES));
  store<i32>(context + ANSWERS_GIVEN, load<i32>(context + ANSWERS_GIVEN) + 1);
  return true;
}
