// Counters of a partition's vTLB by name. Apart from the other statistics because they lie in the vTLB's own header.
import type { Views } from '../../shared/layout/struct.js';

export const vtlbCounters = (_views: Views): Record<string, number> => ({});
