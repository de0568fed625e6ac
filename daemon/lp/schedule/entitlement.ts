// What a VP may use and is sure of: its weight, and reserve and limit in percent of an LP, each kept within periods of the LP's clock.
import { type VpSchedule, WEIGHT_DEFAULT } from '../../../shared/layout/schedule.js';

/** Reserves and limits hold in each period, in cycles. */
export const PERIOD_CYCLES = 10_000_000;

/** Virtual time of a cycle at the default weight: fine enough for the heaviest VP's shortest run. */
export const VIRTUAL_PER_CYCLE = 16;

const share = (percent: number): number => (percent * PERIOD_CYCLES) / 100;

/** Begins the period that `now` is in: what went beyond a limit in the one before (the last instruction was a long one) is taken from this one. */
export const beginPeriod = (record: VpSchedule, now: number): void => {
  const period = Math.floor(now / PERIOD_CYCLES);
  const passed = period - record.periodNum;
  if (passed === 0) return;
  record.usedNum = record.limit < 100 && passed > 0 ? Math.max(0, record.usedNum - passed * share(record.limit)) : 0;
  record.favouredNum = 0;
  record.periodNum = period;
};

export const periodEnd = (now: number): number => (Math.floor(now / PERIOD_CYCLES) + 1) * PERIOD_CYCLES;

/** Cycles that the VP may run in the rest of the period. What it may run in the next one is not known before that has begun: a run with a limit does not go on into it. */
export const allowance = (record: VpSchedule, now: number): number =>
  record.limit < 100 ? Math.min(share(record.limit) - record.usedNum, periodEnd(now) - now) : Number.POSITIVE_INFINITY;

/** Whether the VP's reserve is not used up. Even spread over the period: none waits for more than what others have reserved of it. */
export const isReserved = (record: VpSchedule, now: number): boolean => {
  const { reserve } = record;
  return reserve > 0 && record.usedNum < ((now - record.periodNum * PERIOD_CYCLES) * reserve) / 100 + 1;
};

/** Cycles of its reserve that the VP has not had in this period. */
export const owed = (record: VpSchedule): number => {
  const { reserve } = record;
  return reserve === 0 ? 0 : Math.max(0, share(reserve) - record.usedNum);
};

/** Virtual time of a run. */
export const virtualOf = ({ weight }: VpSchedule, cycles: number): number =>
  Math.round((cycles * VIRTUAL_PER_CYCLE * WEIGHT_DEFAULT) / weight);

/** Charges a run. */
export const charge = (record: VpSchedule, cycles: number): void => {
  record.usedNum += cycles;
  record.virtualNum += virtualOf(record, cycles);
};
