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
  cr3High,
  cr4ReloadsPdptes,
  cr4Supported,
  loadPdptes,
  usesPdptes,
} from '../../machine/cpu/control-registers.js';
import type { Intercepts } from '../../machine/processor.js';
import type { PartitionOnLp } from '../partition-on-lp.js';
import { Flush } from '../vtlb/loaded-space.js';

/** CR3 := the value, by its halves, with the flush. False: the processor refuses it, nothing has changed. */
export const loadCr3 = (on: PartitionOnLp, low: number, written: number, flush: Flush): boolean => {
  const p = on.processor;
  const vp = p.vp;
  const high = cr3High(vp, written);
  if (!checkCr3(high)) return false;
  if (usesPdptes(vp.cr0, vp.cr4, vp.efer) && !loadPdptes(p, low)) return false;
  vp.cr3Lo = low;
  vp.cr3Hi = high;
  on.count(vp, 'addressSpaceSwitches');
  on.mmu.switchAddressSpace(flush);
  return true;
};

export const controlRegisterIntercepts = (on: PartitionOnLp): Pick<Intercepts, 'writeCr' | 'readCr'> => {
  const supported = cr4Supported(on.model.features);
  const account = on.account('crAccess', 'crAccessIntercepts');
  const refuse = (): never => {
    throw on.fault.set(13, 0);
  };

  const writeCr0 = (value: number, high: number): void => {
    const p = on.processor;
    const vp = p.vp;
    if (!checkCr0(vp, value, high)) refuse();
    const next = cr0Value(value);
    const changed = next ^ vp.cr0;
    const lma = (next & Cr0.PG) !== 0 && (vp.efer & Efer.LME) !== 0 ? Efer.LMA : 0;
    if (usesPdptes(next, vp.cr4, (vp.efer & ~Efer.LMA) | lma) && cr0ReloadsPdptes(changed) && !loadPdptes(p, vp.cr3Lo)) refuse();
    applyCr0(vp, next);
    if (changed & (Cr0.PG | Cr0.WP | Cr0.PE)) on.mmu.switchAddressSpace(changed & Cr0.PG ? Flush.ALL : Flush.NONE);
    p.modeChanged();
  };

  /** With PCIDs bit 63 asks for no flush: the vTLB goes over what may be stale all the same, and keeps the rest either way. */
  const writeCr3 = (low: number, written: number): void => {
    if (!loadCr3(on, low, written, Flush.NON_GLOBAL)) refuse();
  };

  const writeCr4 = (next: number, high: number): void => {
    const p = on.processor;
    const vp = p.vp;
    if (!checkCr4(vp, next, high, supported)) refuse();
    const changed = next ^ vp.cr4;
    if (usesPdptes(vp.cr0, next, vp.efer) && cr4ReloadsPdptes(changed) && !loadPdptes(p, vp.cr3Lo)) refuse();
    applyCr4(vp, next);
    if (changed & (Cr4.PAE | Cr4.PGE | Cr4.PSE | Cr4.SMEP | Cr4.PCIDE)) on.mmu.switchAddressSpace(Flush.ALL);
    else if (changed & Cr4.SMAP) on.mmu.switchAddressSpace(Flush.NONE);
    p.modeChanged();
  };

  return {
    writeCr(cr, low, high) {
      account();
      switch (cr) {
        case 0:
          writeCr0(low, high);
          break;
        case 3:
          writeCr3(low, high);
          break;
        case 4:
          writeCr4(low, high);
          break;
        case 8:
          on.apics[on.current].cr8 = low & 15;
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
          return vp.cr0;
        case 3:
          return vp.cr3Num;
        case 4:
          return vp.cr4;
        case 8:
          return on.apics[on.current].cr8;
        default:
          throw on.fault.set(6);
      }
    },
  };
};
