// MOV to and from CR0, CR2, CR3, CR4, CR8: the guest's rules, then the shadow address space that follows from the new values (SDM 2B MOV, SDM 3A 2.5, 4.10.4.1).
import { Cr0, Cr4, Efer } from '../../../shared/abi/registers.js';
import {
  applyCr0,
  applyCr4,
  checkCr0,
  checkCr3,
  checkCr4,
  cr0ReloadsPdptes,
  cr0Value,
  cr3Value,
  cr4ReloadsPdptes,
  cr4Supported,
  loadPdptes,
  usesPdptes,
} from '../../machine/cpu/control-registers.js';
import type { Intercepts } from '../../machine/processor.js';
import type { PartitionOnLp } from '../partition-on-lp.js';
import { Flush } from '../vtlb/vtlb.js';

export const controlRegisterIntercepts = (on: PartitionOnLp): Pick<Intercepts, 'writeCr' | 'readCr'> => {
  const supported = cr4Supported(on.model.features);
  const account = on.account('crAccess', 'crAccessIntercepts');
  const refuse = (): never => {
    throw on.fault.set(13, 0);
  };

  const writeCr0 = (value: bigint): void => {
    const p = on.processor;
    const vp = p.vp;
    if (!checkCr0(vp, value)) refuse();
    const next = cr0Value(Number(value));
    const changed = next ^ vp.cr0;
    const lma = (next & Cr0.PG) !== 0 && (vp.efer & Efer.LME) !== 0 ? Efer.LMA : 0;
    if (usesPdptes(next, vp.cr4, (vp.efer & ~Efer.LMA) | lma) && cr0ReloadsPdptes(changed) && !loadPdptes(p, vp.cr3Lo)) refuse();
    applyCr0(vp, next);
    if (changed & (Cr0.PG | Cr0.WP | Cr0.PE)) on.mmu.switchAddressSpace(changed & Cr0.PG ? Flush.ALL : Flush.NONE);
    p.modeChanged();
  };

  /** Translations go with every load, asked for or not: the vTLB may forget more than it must. */
  const writeCr3 = (written: bigint): void => {
    const p = on.processor;
    const vp = p.vp;
    const value = cr3Value(vp, written);
    if (!checkCr3(value)) refuse();
    if (usesPdptes(vp.cr0, vp.cr4, vp.efer) && !loadPdptes(p, Number(value & 0xffff_ffffn))) refuse();
    vp.cr3 = value;
    on.count(vp, 'addressSpaceSwitches');
    on.mmu.switchAddressSpace(Flush.NON_GLOBAL);
  };

  const writeCr4 = (value: bigint): void => {
    const p = on.processor;
    const vp = p.vp;
    if (!checkCr4(vp, value, supported)) refuse();
    const next = Number(value);
    const changed = next ^ vp.cr4;
    if (usesPdptes(vp.cr0, next, vp.efer) && cr4ReloadsPdptes(changed) && !loadPdptes(p, vp.cr3Lo)) refuse();
    applyCr4(vp, next);
    if (changed & (Cr4.PAE | Cr4.PGE | Cr4.PSE | Cr4.SMEP | Cr4.PCIDE)) on.mmu.switchAddressSpace(Flush.ALL);
    else if (changed & Cr4.SMAP) on.mmu.switchAddressSpace(Flush.NONE);
    p.modeChanged();
  };

  return {
    writeCr(cr, value) {
      const { vp } = on.processor;
      account();
      switch (cr) {
        case 0:
          writeCr0(value);
          break;
        case 2:
          vp.cr2 = value;
          break;
        case 3:
          writeCr3(value);
          break;
        case 4:
          writeCr4(value);
          break;
        case 8:
          on.apics[on.current].cr8 = Number(value & 15n);
          on.kickSelf();
          break;
        default:
          throw on.fault.set(6);
      }
    },
    readCr(cr) {
      const { vp } = on.processor;
      switch (cr) {
        case 0:
          return BigInt(vp.cr0);
        case 2:
          return vp.cr2;
        case 3:
          return vp.cr3;
        case 4:
          return BigInt(vp.cr4);
        case 8:
          return BigInt(on.apics[on.current].cr8);
        default:
          throw on.fault.set(6);
      }
    },
  };
};
