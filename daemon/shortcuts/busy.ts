// Fills in virtual time (hypervisor/vtlb/virtual-costs and busy-diary: the same entries, charges and waits): an LP notes that it is inside one, and whoever invalidates
// pays for its look at other LPs' counters, and waits until a fill that it would have met is over.
import { COUNTER_READ_CYCLES, DIARY, DIARY_ENTRIES, DIARY_LP_BITS, DIARY_SPREAD, FILL_CYCLES, FILLS_OF_LPS, LP } from './layout';
import { context, now, spend } from './processor';

function entryAt(owner: i32, slot: i64): i32 {
  return DIARY + ((((owner * DIARY_SPREAD) >>> 8) + <i32>slot) & (DIARY_ENTRIES - 1)) * 8;
}
function isBusy(lp: i32, slot: i64): bool {
  const owner = FILLS_OF_LPS + lp;
  const at = entryAt(owner, slot);
  const who = load<i32>(at + 4);
  return load<i32>(at) == <i32>slot && who >>> DIARY_LP_BITS == owner && (who & ((1 << DIARY_LP_BITS) - 1)) != load<i32>(context + LP) + 1;
}

/** This LP is inside a fill or a clearing. */
export function noteInside(): void {
  const length = load<i32>(context + FILL_CYCLES);
  if (length == 0) return;
  const slot = now() / <i64>length;
  const lp = load<i32>(context + LP);
  const owner = FILLS_OF_LPS + lp;
  const at = entryAt(owner, slot);
  store<i32>(at, <i32>slot);
  store<i32>(at + 4, (owner << DIARY_LP_BITS) | (lp + 1));
}

let waits: bool = false;
function look(lps: i32, from: i32, slot: i64): i32 {
  let looks = 0;
  for (; lps != 0; lps &= lps - 1) {
    looks++;
    waits = waits || isBusy(from + ctz(lps), slot);
  }
  return looks;
}
/** This LP looks at the counters of the LPs of the bit set. The cycles that it has waited. */
export function awaitFills(low: i32, high: i32): i32 {
  const length = <i64>load<i32>(context + FILL_CYCLES);
  if ((low | high) == 0 || length == 0) return 0;
  const slot = now() / length;
  waits = false;
  spend((look(low, 0, slot) + look(high, 32, slot)) * load<i32>(context + COUNTER_READ_CYCLES));
  if (!waits) return 0;
  const wait = max<i64>(0, (slot + 1) * length - now());
  spend(<i32>wait);
  return <i32>wait;
}
