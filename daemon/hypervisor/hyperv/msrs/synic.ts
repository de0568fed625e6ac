// SCONTROL to SINT15 and the synthetic timers' registers (TLFS 11.8, 12.3.2): what they hold is ../../synic's.
import { SINTS, STIMERS, SynicMsr } from '../../../../shared/abi/synic.js';
import { MsrEffect, REFUSED, type Registers } from '../../msr/register.js';
import type { HyperV } from '../hyperv.js';

const group = ({ messaging }: HyperV, numbers: readonly number[], effect: number): Registers => {
  if (messaging === undefined) return [];
  const { registers } = messaging;
  return numbers.map((msr) => [
    msr,
    {
      read: ({ apic: { vp } }) => registers.read(vp.index, msr),
      write: ({ apic: { vp } }, value) => (registers.write(vp.index, msr, value) ? effect : REFUSED),
    },
  ]);
};
const range = (first: number, count: number): number[] => Array.from({ length: count }, (_, n) => first + n);

export const synicRegisters = (hv: HyperV): Registers =>
  group(
    hv,
    [SynicMsr.SCONTROL, SynicMsr.SVERSION, SynicMsr.SIEFP, SynicMsr.SIMP, SynicMsr.EOM, ...range(SynicMsr.SINT0, SINTS)],
    MsrEffect.NONE,
  );
/** The next expiry may be another one, or have come. */
export const timerRegisters = (hv: HyperV): Registers => group(hv, range(SynicMsr.STIMER0_CONFIG, STIMERS * 2), MsrEffect.TIMER);
