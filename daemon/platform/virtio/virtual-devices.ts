// All virtio devices of a partition, as root has written them down in its memory (shared/layout/virtual-devices.ts): one PCI function each.
import { DeviceMap } from '../../../shared/layout/devices.js';
import { FUNCTION_BITS, virtualFunctionOf } from '../../../shared/layout/pci.js';
import type { Views } from '../../../shared/layout/struct.js';
import { VIRTIO_SIZE, VIRTUAL_DEVICES, VirtualDevice, VirtualDeviceKind, virtualDeviceAt } from '../../../shared/layout/virtual-devices.js';
import type { ConsoleOutput } from '../console-output.js';
import type { PlatformHost } from '../host.js';
import type { InterruptLines } from '../interrupt-lines.js';
import { PciFunction } from '../pci/pci-function.js';
import { BlockModel } from './block.js';
import { ConsoleModel } from './console.js';
import type { DeviceRam } from './device-ram.js';
import { NetworkModel } from './network.js';
import type { VirtioDevice, VirtioModel } from './virtio-device.js';
import { VirtioPci } from './virtio-pci.js';

export class VirtualDevices {
  readonly functions: readonly PciFunction[];
  private readonly views: Views;
  private readonly devices: readonly VirtioPci[];
  private console: ConsoleModel | undefined;

  constructor(views: Views, host: PlatformHost, lines: InterruptLines, output: ConsoleOutput, ram: DeviceRam, hasBios: boolean) {
    this.views = views;
    const models: Readonly<Record<number, (device: VirtioDevice) => VirtioModel>> = {
      [VirtualDeviceKind.CONSOLE]: (device) => {
        this.console = new ConsoleModel(device, output);
        return this.console;
      },
      [VirtualDeviceKind.BLOCK]: (device) => new BlockModel(device, host),
      [VirtualDeviceKind.NETWORK]: (device) => new NetworkModel(device, host),
    };
    const devices: VirtioPci[] = [];
    const functions: PciFunction[] = [];
    for (let index = 0; index < VIRTUAL_DEVICES; index++) {
      const model = models[new VirtualDevice(views, virtualDeviceAt(index)).kind];
      if (model === undefined) continue;
      const { number, irq } = virtualFunctionOf(index, hasBios);
      // Of the two lines each has half of the devices, at most six.
      const device = new VirtioPci(views, index, ram, host, lines.line(irq, index >>> 1), irq, model);
      const one = new PciFunction(views, index + 1, device, number << FUNCTION_BITS);
      device.attach(one);
      devices.push(device);
      functions.push(one);
    }
    this.devices = devices;
    this.functions = functions;
  }

  reset(): void {
    this.views.u8.fill(0, DeviceMap.VIRTIO, DeviceMap.VIRTIO + VIRTIO_SIZE);
    for (const device of this.devices) device.reset();
  }

  /** What is due by now is done. */
  advance(now: number): void {
    for (const { device } of this.devices) device.advance(now);
  }
  /** Root has left something for some of them. */
  serve(now: number): void {
    for (const { device } of this.devices) device.serve(now);
  }
  deadline(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { device } of this.devices) next = Math.min(next, device.deadline());
    return next;
  }

  /** What is typed is for the virtio console. */
  get hasConsole(): boolean {
    return this.console?.hasConsole === true;
  }
  /** When console input can be handed on, where it is for this console: at once, or when the driver gives room. */
  inputDue(): number {
    return this.console?.takesInput === true ? 0 : Number.POSITIVE_INFINITY;
  }
}
