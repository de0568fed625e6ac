// The hypercalls that there are. Which of them a partition may make, each says itself.
import type { Hypercall } from '../hypercall.js';
import { notifyLongSpinWait } from './notify-long-spin-wait.js';

export const HYPERCALLS: readonly Hypercall[] = [notifyLongSpinWait];
