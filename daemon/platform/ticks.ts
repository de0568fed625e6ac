// Exact conversion between partition time (ns) and the ticks of a device's crystal, so that no clock drifts from another.
// Whole seconds are split off first: the rest times any frequency here stays below 2^53.

const SECOND = 1_000_000_000;
export const PIT_HZ = 1_193_182;
export const PM_TIMER_HZ = 3_579_545;
export const RTC_HZ = 32_768;

/** Ticks of `hz` that have passed at `ns`: floor(ns * hz / 1e9). */
export const ticksAt = (ns: number, hz: number): number => {
  const seconds = Math.floor(ns / SECOND);
  return seconds * hz + Math.floor((Math.floor(ns - seconds * SECOND) * hz) / SECOND);
};

/** First ns at which `tick` ticks have passed: ceil(tick * 1e9 / hz). */
export const nsOfTick = (tick: number, hz: number): number => {
  const seconds = Math.floor(tick / hz);
  return seconds * SECOND + Math.ceil(((tick - seconds * hz) * SECOND) / hz);
};
