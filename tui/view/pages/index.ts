// All pages, in the order of their numbers.
import type { Page } from '../page.js';
import { interruptsPage } from './interrupts.js';
import { loadsPage } from './loads.js';
import { logPage } from './log.js';
import { machinePage } from './machine.js';
import { policiesPage } from './policies.js';
import { spinPage } from './spin.js';
import { vmsPage } from './vms.js';
import { vtlbPage } from './vtlb.js';

export const pages: readonly Page[] = [machinePage, vmsPage, vtlbPage, interruptsPage, spinPage, policiesPage, loadsPage, logPage];
