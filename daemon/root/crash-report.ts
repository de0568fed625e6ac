// What a guest has said of its own crash by the Hyper-V crash registers (TLFS 2.6), for people: it goes on as it likes, and may say it again.
import { HV_CRASH_PARAMETERS, HvCrashControl } from '../../shared/abi/hyperv.js';
import { HypervState } from '../../shared/layout/hyperv.js';
import { PartitionMap } from '../../shared/layout/partition.js';
import type { Views } from '../../shared/layout/struct.js';
import type { CrashReport } from '../../shared/protocol/messages.js';
import { readText } from './text-field.js';

/** Characters that would move a terminal's cursor, or worse. Lines stay lines. */
const CONTROLS = /[^\P{Cc}\n]/gu;

/** How often the guest has reported a crash since it was booted. */
export const crashesOf = (views: Views): number => new HypervState(views, PartitionMap.HYPERV).crashes;

/** Its last report, if there is one. */
export const crashReport = (views: Views): CrashReport | null => {
  const state = new HypervState(views, PartitionMap.HYPERV);
  if (state.enabled === 0 || state.crashes === 0) return null;
  const first = state.crashParameters >>> 3;
  return {
    times: state.crashes,
    vp: state.crashVp,
    parameters: Array.from({ length: HV_CRASH_PARAMETERS }, (_, n) => `0x${views.u64[first + n]!.toString(16)}`),
    noDump: (state.crashControl & HvCrashControl.NO_DUMP) !== 0n,
    message: readText(views, state.crashMessage, state.crashMessageBytes).replace(CONTROLS, '?'),
  };
};
