// EOI, ICR and TPR as MSRs, and the VP assist page (TLFS 7.8.7, 10.2.3): the registers of the local APIC, without the detour over its page.
import { ApicRegister } from '../../../../shared/abi/apic.js';
import { HvMsr } from '../../../../shared/abi/hyperv.js';
import { VpOverlay, vpOverlay } from '../../../../shared/layout/hyperv.js';
import { GP, type MsrContext, MsrEffect, REFUSED, type Register, type Registers } from '../../msr/register.js';
import type { HyperV } from '../hyperv.js';
import { frameOf, isEnabled } from '../overlays.js';

const EOI: Register = {
  read: () => GP,
  write: ({ apic }, value) => {
    if (value >> 32n !== 0n) return REFUSED;
    apic.eoi();
    return MsrEffect.NONE;
  },
};
const ICR: Register = {
  read: ({ apic: { vp } }) => (BigInt(vp.apicIcrHi) << 32n) | BigInt(vp.apicIcrLo),
  write: (context, value) => {
    const { apic } = context;
    apic.writeRegister(ApicRegister.ICR_HIGH, Number(value >> 32n), context.now());
    apic.writeRegister(ApicRegister.ICR_LOW, Number(value & 0xffff_ffffn), context.now());
    return MsrEffect.NONE;
  },
};
const TPR: Register = {
  read: ({ apic }) => BigInt(apic.tpr),
  write: ({ apic }, value) => {
    if (value > 0xffn) return REFUSED;
    apic.tpr = Number(value);
    return MsrEffect.NONE;
  },
};

/** An EOI that the guest has left in the page counts before it is cleared or goes away. Enabling it clears the word by which lazy EOI is arranged. */
const writeAssistPage = ({ on, vps, overlays }: HyperV, { apic }: MsrContext, value: bigint): number => {
  if (isEnabled(value) && frameOf(value) < 0) return REFUSED;
  const { index } = apic.vp;
  const overlay = vpOverlay(index, VpOverlay.ASSIST);
  apic.assist.withdraw();
  const word = overlays.address(overlay);
  if (isEnabled(value)) overlays.store(word, 4, () => void Atomics.store(on.views.i32, word >>> 2, 0));
  vps[index].assistPage = value;
  overlays.follow(overlay, value);
  return MsrEffect.NONE;
};

export const apicRegisters = (hv: HyperV): Registers => [
  [HvMsr.EOI, EOI],
  [HvMsr.ICR, ICR],
  [HvMsr.TPR, TPR],
  [
    HvMsr.VP_ASSIST_PAGE,
    {
      read: ({ apic }) => hv.vps[apic.vp.index].assistPage,
      write: (context, value) => hv.exclusively(() => writeAssistPage(hv, context, value)),
    },
  ],
];
