// Intercepts that the processor's shortcuts have dealt with: what is left to do is to count them for the machine. An access to the APIC's page is two of them.
import type { Intercepts } from '../../machine/processor.js';
import type { PartitionOnLp } from '../partition-on-lp.js';

export const shortenedIntercepts = (on: PartitionOnLp): Pick<Intercepts, 'shortened'> => {
  const pageFaults = on.tally('pageFault', undefined);
  const apicAccesses = on.tally('apicMmio', undefined);
  const ports = on.tally('io', undefined);
  const crAccesses = on.tally('crAccess', undefined);
  const invalidations = on.tally('invlpg', undefined);
  return {
    shortened(exit, times) {
      if (exit === 'port') ports(times);
      else if (exit === 'crAccess') crAccesses(times);
      else if (exit === 'invlpg') invalidations(times);
      else {
        pageFaults(times);
        if (exit === 'apicPage') apicAccesses(times);
      }
    },
  };
};
