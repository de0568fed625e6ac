// All intercepts of a partition on an LP, as the processor calls them: one file per kind.
// The life of an intercept: an instruction's slow half (machine/cpu) checks privilege and operands, calls one of these with all registers in the VP block;
// it counts and charges the round trip, does what the hardware would, and returns a value or throws the fault for the guest.
import type { Intercepts } from '../../machine/processor.js';
import type { PartitionOnLp } from '../partition-on-lp.js';
import type { SpinWindow } from '../spin/spin-window.js';
import type { VpReadiness } from '../vp-readiness.js';
import { controlRegisterIntercepts } from './control-registers.js';
import { cpuidIntercept } from './cpuid.js';
import { floatErrorIntercept } from './float-error.js';
import { hypercallIntercept } from './hypercalls.js';
import { msrIntercepts } from './msrs.js';
import { portIntercepts } from './ports.js';
import { shortenedIntercepts } from './shortened.js';
import { shutdownIntercepts } from './shutdown.js';
import { translationIntercepts } from './translations.js';
import { waitingIntercepts } from './waiting.js';

export const interceptsOf = (on: PartitionOnLp, readiness: VpReadiness, spinWindow: SpinWindow): Intercepts => ({
  ...controlRegisterIntercepts(on),
  ...translationIntercepts(on),
  ...portIntercepts(on, readiness),
  ...msrIntercepts(on),
  ...cpuidIntercept(on),
  ...shortenedIntercepts(on),
  ...waitingIntercepts(on, spinWindow),
  ...floatErrorIntercept(on),
  ...hypercallIntercept(on),
  ...shutdownIntercepts(on),
});
