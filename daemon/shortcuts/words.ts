// Words that other LPs may touch, too: as machine/shared-words is in TypeScript, the one door to them.
// Why a door: the explorer of interleavings has a build with a gate in it, which can be told to lack a step of the protocol that its schedules must miss
// (`lacks`). In the product both are constants, and nothing is left of them.
import { gate, isLacking } from './gate';
import { FAULT_TORN_EXCHANGE, GATED } from './layout';

/** Whether this build is without a step (ShortcutFault). */
export function lacks(step: i32): bool {
  return GATED != 0 && isLacking(step);
}
function pass(): void {
  if (GATED) gate();
}

/** With no order of its own: for entries of tables, which are trusted only as far as a compare-and-swap or a counter goes. */
export function read(address: i32): i32 {
  pass();
  return load<i32>(address);
}
export function word(address: i32): i32 {
  pass();
  return atomic.load<i32>(address);
}
export function setWord(address: i32, value: i32): void {
  pass();
  atomic.store<i32>(address, value);
}
/** Each of the following returns the old value. */
export function add(address: i32, value: i32): i32 {
  pass();
  return atomic.add<i32>(address, value);
}
export function or(address: i32, bits: i32): i32 {
  pass();
  return atomic.or<i32>(address, bits);
}
export function exchange(address: i32, value: i32): i32 {
  pass();
  return atomic.xchg<i32>(address, value);
}
export function compareExchange(address: i32, expected: i32, value: i32): i32 {
  pass();
  if (lacks(FAULT_TORN_EXCHANGE)) {
    const old = load<i32>(address);
    if (old == expected) {
      pass();
      store<i32>(address, value);
    }
    return old;
  }
  return atomic.cmpxchg<i32>(address, expected, value);
}
export function compareExchange64(address: i32, expected: i64, value: i64): i64 {
  pass();
  return atomic.cmpxchg<i64>(address, expected, value);
}
