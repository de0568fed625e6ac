// Every scenario that the explorer's workers know, by number.
import { APIC_SCENARIOS } from './apic-scenarios.js';
import { ASSIST_SCENARIOS } from './assist-scenarios.js';
import { CODE_SCENARIOS } from './code-scenarios.js';
import { GIFT_SCENARIOS } from './gift-scenarios.js';
import { IDLE_SCENARIOS } from './idle-scenarios.js';
import type { Scenario } from './scenario.js';
import { SYNIC_SCENARIOS } from './synic-scenarios.js';
import { VTLB_SCENARIOS } from './vtlb/scenarios.js';

export const ALL_SCENARIOS: readonly Scenario[] = [
  ...VTLB_SCENARIOS,
  ...SYNIC_SCENARIOS,
  ...CODE_SCENARIOS,
  ...APIC_SCENARIOS,
  ...IDLE_SCENARIOS,
  ...ASSIST_SCENARIOS,
  ...GIFT_SCENARIOS,
];
