// CRASH_P0 to P4 and CRASH_CTL: a guest says that it has crashed, and why (TLFS 2.6). It goes on as it likes; operators see what it said.
import { HV_CRASH_MESSAGE_MAX, HV_CRASH_PARAMETERS, HvCrashControl, HvMsr } from '../../../../shared/abi/hyperv.js';
import { HypervLayout } from '../../../../shared/layout/hyperv.js';
import { MsrEffect, type Registers } from '../../msr/register.js';
import type { HyperV } from '../hyperv.js';

/** What of the control register is obeyed: reads say so. */
const CAPABILITIES = HvCrashControl.NOTIFY | HvCrashControl.MESSAGE;
const MESSAGE_ADDRESS = 3;
const MESSAGE_BYTES = 4;

/** Takes the guest's text into the partition's state: its memory may be gone when somebody looks. */
const keepMessage = ({ on, state, overlays }: HyperV, gpa: bigint, bytes: bigint): void => {
  state.crashMessageBytes = 0;
  if (bytes > BigInt(HV_CRASH_MESSAGE_MAX)) return;
  const wanted = Math.min(Number(bytes), HypervLayout.fields.crashMessage.bytes);
  let kept = 0;
  while (kept < wanted) {
    const address = gpa + BigInt(kept);
    const from = address < 1n << 52n ? overlays.resolve(Number(address), false) : -1;
    if (from < 0) break;
    const part = Math.min(wanted - kept, 4096 - (from & 4095));
    on.views.u8.copyWithin(state.crashMessage + kept, from, from + part);
    kept += part;
  }
  state.crashMessageBytes = kept;
};

const report = (hv: HyperV, vp: number, control: bigint): number => {
  const { state, on } = hv;
  state.crashControl = control;
  if ((control & HvCrashControl.NOTIFY) === 0n) return MsrEffect.NONE;
  const parameter = (n: number): bigint => on.views.u64[(state.crashParameters >>> 3) + n];
  if ((control & HvCrashControl.MESSAGE) !== 0n) keepMessage(hv, parameter(MESSAGE_ADDRESS), parameter(MESSAGE_BYTES));
  else state.crashMessageBytes = 0;
  state.crashVp = vp;
  // Last: whoever sees a new number sees the rest.
  Atomics.add(on.views.u32, (state.base + HypervLayout.at.crashes) >>> 2, 1);
  return MsrEffect.NONE;
};

export const crashRegisters = (hv: HyperV): Registers => {
  const { on, state } = hv;
  const first = state.crashParameters >>> 3;
  return [
    ...Array.from(
      { length: HV_CRASH_PARAMETERS },
      (_, n) =>
        [
          HvMsr.CRASH_P0 + n,
          {
            read: () => on.views.u64[first + n],
            write: (_context: unknown, value: bigint) => {
              on.views.u64[first + n] = value;
              return MsrEffect.NONE;
            },
          },
        ] as const,
    ),
    [HvMsr.CRASH_CTL, { read: () => CAPABILITIES, write: ({ apic }, value) => hv.exclusively(() => report(hv, apic.vp.index, value)) }],
  ];
};
