// The virtio devices of a partition for people: what they are, whether the guest's driver is at work, and how much has passed.
import { VIRTIO_PCI_DEVICE, VIRTIO_PCI_VENDOR, VirtioStatus, VirtioType } from '../../shared/abi/virtio.js';
import { virtualFunctionOf } from '../../shared/layout/pci.js';
import type { Views } from '../../shared/layout/struct.js';
import { VirtioRegisters, VirtualDevice, virtioAt, virtualDeviceAt } from '../../shared/layout/virtual-devices.js';
import type { VirtualDeviceConfig, VirtualDeviceInfo } from '../../shared/protocol/messages.js';
import { macText } from './network/mac.js';

const TYPES = { console: VirtioType.CONSOLE, disk: VirtioType.BLOCK, network: VirtioType.NETWORK } as const;

export const inspectDevices = (views: Views, devices: readonly VirtualDeviceConfig[], hasBios: boolean): VirtualDeviceInfo[] =>
  devices.map((device, index) => {
    const entry = new VirtualDevice(views, virtualDeviceAt(index));
    if (device.kind === 'disk' && device.bus === 'ide') return drive('00:01.1 8086:7010', 'ide disk', device, entry);
    if (device.kind === 'disk' && device.bus === 'floppy') return drive('port 3F0', 'floppy', device, entry);
    const { status } = new VirtioRegisters(views, virtioAt(index));
    return {
      address: `00:${hex(virtualFunctionOf(index, hasBios).number, 2)}.0 ${hex(VIRTIO_PCI_VENDOR, 4)}:${hex(VIRTIO_PCI_DEVICE + TYPES[device.kind], 4)}`,
      kind: device.kind,
      of: describe(device, entry),
      state: (status & VirtioStatus.NEEDS_RESET) !== 0 ? 'needs reset' : (status & VirtioStatus.DRIVER_OK) !== 0 ? 'ready' : 'absent',
      counters: countersOf(entry),
    };
  });

/** Its driver is whoever finds the controller. */
const drive = (address: string, kind: string, device: VirtualDeviceConfig, entry: VirtualDevice): VirtualDeviceInfo => ({
  address,
  kind,
  of: describe(device, entry),
  state: 'ready',
  counters: countersOf(entry),
});
const countersOf = (entry: VirtualDevice): VirtualDeviceInfo['counters'] => ({
  fromGuest: entry.outs,
  fromGuestBytes: entry.outBytesNum,
  toGuest: entry.ins,
  toGuestBytes: entry.inBytesNum,
  notifications: entry.notifications,
  interrupts: entry.interrupts,
  failures: entry.failures,
  violations: entry.violations,
});

const describe = (device: VirtualDeviceConfig, entry: VirtualDevice): string => {
  if (device.kind === 'disk') return `${device.file}, ${device.access ?? 'persistent'}`;
  return device.kind === 'network' ? `${macText(entry.views.u8.slice(entry.mac, entry.mac + 6))}, ${device.to}` : 'the console';
};
const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');
