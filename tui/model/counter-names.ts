// Names by which the hypervisor of 2009 counted what the vTLB does (TLFS 2.0a, appendix J), for those of our counters and gauges that are the same thing. The others keep their own.
const TLFS_NAMES: Readonly<Record<string, string>> = {
  guestFaults: 'reflectedGuestPageFaults',
  invalidations: 'gvaRangeFlushes',
  purges: 'addressSpaceFlushes',
  wholeFlushes: 'addressDomainFlushes',
  sasEvicted: 'addressSpaceEvictions',
  sptAllocated: 'pageTableAllocations',
  reclaims: 'pageTableReclamations',
  reclaimVictims: 'pageTableEvictions',
  tablesUnshadowed: 'pageTableResets',
  validations: 'pageTableValidations',
  sptPool: 'virtualTlbPages',
  sasLive: 'addressSpaces',
};

export const tlfsName = (name: string): string => TLFS_NAMES[name] ?? name;
/** The same values under these names. */
export const byTlfsName = (values: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [tlfsName(name), value]));
