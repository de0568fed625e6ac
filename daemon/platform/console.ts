// Root's end of the devices: the console rings and the power button. No function here takes the device lock.
import { CONSOLE_IN_BYTES, CONSOLE_OUT_BYTES, DeviceClockLayout, DeviceMap, PlatformRequest } from '../../shared/layout/devices.js';
import { ByteLog, ByteQueue } from '../../shared/layout/ring.js';
import type { Views } from '../../shared/layout/struct.js';

/** What the guest has written to COM1 (and the debug console): the newest 64 KiB, for any number of readers. */
export const consoleOutput = (views: Views): ByteLog => new ByteLog(views, DeviceMap.CONSOLE_OUT, CONSOLE_OUT_BYTES);

/** What COM1 will receive. One writer; the caller kicks an LP of the partition after writing. */
export const consoleInput = (views: Views): ByteQueue => new ByteQueue(views, DeviceMap.CONSOLE_IN, CONSOLE_IN_BYTES);

/** Presses the ACPI power button; the caller then kicks an LP of the partition. */
export const pressPowerButton = (views: Views): void => {
  Atomics.or(views.i32, (DeviceMap.CLOCK + DeviceClockLayout.at.requests) >>> 2, PlatformRequest.POWER_BUTTON);
};
