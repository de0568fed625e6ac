// The hypercalls that there are, made anew for each LP. Which of them a partition may make, each says itself.
import type { Hypercall } from '../hypercall.js';
import { flushVirtualAddressList, flushVirtualAddressListEx } from './flush-virtual-address-list.js';
import { flushVirtualAddressSpace, flushVirtualAddressSpaceEx } from './flush-virtual-address-space.js';
import { getVpIndexFromApicId } from './get-vp-index-from-apic-id.js';
import { notifyLongSpinWait } from './notify-long-spin-wait.js';
import { postMessage } from './post-message.js';
import { sendSyntheticClusterIpi, sendSyntheticClusterIpiEx } from './send-synthetic-cluster-ipi.js';
import { signalEvent } from './signal-event.js';
import { startVirtualProcessor } from './start-virtual-processor.js';
import { switchVirtualAddressSpace } from './switch-virtual-address-space.js';

export const hypercalls = (): readonly Hypercall[] => [
  switchVirtualAddressSpace(),
  flushVirtualAddressSpace(),
  flushVirtualAddressList(),
  notifyLongSpinWait(),
  sendSyntheticClusterIpi(),
  flushVirtualAddressSpaceEx(),
  flushVirtualAddressListEx(),
  sendSyntheticClusterIpiEx(),
  postMessage,
  signalEvent,
  startVirtualProcessor(),
  getVpIndexFromApicId(),
];
