// RDMSR, WRMSR and the time-stamp counter: values and rules are the table's (msr/), what follows from a write is here.
import { Msr } from '../../../shared/abi/msr.js';
import { Efer } from '../../../shared/abi/registers.js';
import type { Intercepts } from '../../machine/processor.js';
import { syntheticMsrs } from '../hyperv/synthetic-msrs.js';
import { MsrTable } from '../msr/msr-table.js';
import { type MsrContext, MsrEffect } from '../msr/register.js';
import type { PartitionOnLp } from '../partition-on-lp.js';
import { Flush } from '../vtlb/loaded-space.js';

export const msrIntercepts = (on: PartitionOnLp): Pick<Intercepts, 'readMsr' | 'writeMsr' | 'tsc'> => {
  const table = new MsrTable(on.model.features, on.hyperv === undefined ? [] : syntheticMsrs(on.hyperv));
  const contexts: readonly MsrContext[] = on.apics.map((apic) => ({
    apic,
    now: () => on.clock.now(),
    rawTsc: () => on.clock.rawTsc(),
  }));
  const account = on.account('msr', 'msrIntercepts');
  return {
    readMsr(index) {
      account();
      const value = table.read(contexts[on.current], index);
      if (value < 0n) throw on.fault.set(13, 0);
      return value;
    },
    writeMsr(index, value) {
      const p = on.processor;
      account();
      const nxe = p.vp.efer & Efer.NXE;
      if (!table.write(contexts[on.current], index, value)) throw on.fault.set(13, 0);
      const { effects } = table;
      if (effects & MsrEffect.EFER) {
        if ((p.vp.efer & Efer.NXE) !== nxe) on.mmu.switchAddressSpace(Flush.NONE);
        p.modeChanged();
      }
      if (index === Msr.IA32_TIME_STAMP_COUNTER) on.hyperv?.time.counterMoved();
      // CPUID shows whether the APIC is on.
      if (index === Msr.IA32_APIC_BASE) p.modeChanged();
      if (effects & (MsrEffect.APIC_BASE | MsrEffect.TIMER) || index === Msr.IA32_APIC_BASE) on.kickSelf();
    },
    tsc: () => table.read(contexts[on.current], Msr.IA32_TIME_STAMP_COUNTER),
  };
};
