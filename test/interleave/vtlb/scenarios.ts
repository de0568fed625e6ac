// The races that the vTLB and the flush handshake must survive.
import type { Scenario } from '../scenario.js';
import { FILL_SCENARIOS } from './fill-scenarios.js';
import { GUEST_MODE_SCENARIOS } from './guest-mode-scenarios.js';
import { LOCK_SCENARIOS } from './lock-scenarios.js';
import { RECLAIM_SCENARIOS } from './reclaim-scenarios.js';
import { SHARING_SCENARIOS } from './sharing-scenarios.js';
import { TRACKING_SCENARIOS } from './tracking-scenarios.js';

export const VTLB_SCENARIOS: readonly Scenario[] = [
  ...FILL_SCENARIOS,
  ...RECLAIM_SCENARIOS,
  ...LOCK_SCENARIOS,
  ...SHARING_SCENARIOS,
  ...GUEST_MODE_SCENARIOS,
  ...TRACKING_SCENARIOS,
];
