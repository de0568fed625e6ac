// The guest's side of the machine's test devices that are passed through to it: one port, which tells who asks and takes the acknowledgement.
// Read (32 bits): the highest vector of a device whose line is high, 0 none. Write: the device with that vector lowers its line. Lock-free: a line is a word of the machine's.
import type { PlatformHost } from './host.js';
import { allOnes, type PortDevice } from './port-device.js';

export const PASSED_DEVICES_PORT = 0x530;

export class PassedDevices implements PortDevice {
  readonly #host: PlatformHost;

  constructor(host: PlatformHost) {
    this.#host = host;
  }
  read(port: number, bytes: number): number {
    return port === PASSED_DEVICES_PORT && bytes === 4 ? this.#host.assertedLine() : allOnes(bytes);
  }
  write(port: number, bytes: number, value: number): void {
    if (port === PASSED_DEVICES_PORT && bytes === 4) this.#host.lowerLine(value);
  }
}
