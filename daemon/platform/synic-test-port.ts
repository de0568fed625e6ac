// The port by which test images ask for synthetic interrupts (QEMU, hw/hyperv/hyperv_testdev.c). What a command means is the hypervisor's business, which has the controllers.
import type { PlatformHost } from './host.js';
import type { PortDevice } from './port-device.js';

export class SynicTestPort implements PortDevice {
  private readonly host: PlatformHost;

  constructor(host: PlatformHost) {
    this.host = host;
  }

  read(): number {
    return 0;
  }
  write(_port: number, bytes: number, value: number): void {
    if (bytes === 4) this.host.synicTest(value);
  }
}
