// A machine that passes no device through.
import type { DeviceWires } from '../../daemon/hypervisor/wiring.js';

export const NO_DEVICES: DeviceWires = { finished: () => undefined, lower: () => undefined, asserted: () => 0 };
