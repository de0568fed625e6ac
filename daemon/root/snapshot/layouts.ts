// Where the fields of shared memory are: a snapshot is taken up only where each is at the same place.
import { BlockBufferLayout, BlockSlotLayout } from '../../../shared/layout/block-buffer.js';
import { ConsoleBufferLayout } from '../../../shared/layout/console-buffer.js';
import { DeviceLineLayout } from '../../../shared/layout/device-line.js';
import * as devices from '../../../shared/layout/devices.js';
import { HostLpLayout } from '../../../shared/layout/host-memory.js';
import { HypervLayout, HypervVpLayout } from '../../../shared/layout/hyperv.js';
import { LpContextLayout } from '../../../shared/layout/lp-context.js';
import { LpLayout, MachineLayout } from '../../../shared/layout/machine.js';
import { NetworkBufferLayout } from '../../../shared/layout/network-buffer.js';
import { PartitionLayout } from '../../../shared/layout/partition.js';
import { RingLayout } from '../../../shared/layout/ring.js';
import { VpScheduleLayout } from '../../../shared/layout/schedule.js';
import { ConnectionLayout, PortLayout, StimerLayout, SynicHeaderLayout, SynicLayout } from '../../../shared/layout/synic.js';
import { QueueLayout, VirtioLayout, VirtualDeviceLayout } from '../../../shared/layout/virtual-devices.js';
import { VpLayout } from '../../../shared/layout/vp.js';
import { SasLayout, SptLayout, VtlbLayout, VtlbLpLayout, VtlbVpLayout } from '../../../shared/layout/vtlb.js';

interface Layout {
  readonly name: string;
  readonly fields: Readonly<Record<string, { readonly bytes: number }>>;
  readonly at: Readonly<Record<string, number>>;
}
const isLayout = (value: unknown): value is Layout => typeof value === 'object' && value !== null && 'fields' in value && 'at' in value;

const LAYOUTS: readonly Layout[] = [
  MachineLayout,
  LpLayout,
  DeviceLineLayout,
  HostLpLayout,
  PartitionLayout,
  VpLayout,
  VpScheduleLayout,
  HypervLayout,
  HypervVpLayout,
  SynicHeaderLayout,
  SynicLayout,
  StimerLayout,
  PortLayout,
  ConnectionLayout,
  ...(Object.values(devices) as unknown[]).filter(isLayout),
  RingLayout,
  VirtualDeviceLayout,
  QueueLayout,
  VirtioLayout,
  BlockBufferLayout,
  BlockSlotLayout,
  ConsoleBufferLayout,
  NetworkBufferLayout,
  VtlbLayout,
  VtlbLpLayout,
  VtlbVpLayout,
  SasLayout,
  SptLayout,
  LpContextLayout,
];

/** By name of the structure and the field: offset and bytes. */
export type Layouts = Readonly<Record<string, readonly number[]>>;

export const layouts = (): Layouts =>
  Object.fromEntries(
    LAYOUTS.flatMap(({ name, fields, at }) =>
      Object.entries(fields).map(([field, { bytes }]) => [`${name}.${field}`, [at[field]!, bytes]]),
    ),
  );

/** The first field that is elsewhere. */
export const firstMoved = (saved: Layouts): { readonly field: string; readonly why: string } | undefined => {
  const own = layouts();
  for (const field of new Set([...Object.keys(own), ...Object.keys(saved)])) {
    const [want, got] = [own[field], saved[field]];
    if (want === undefined) return { field, why: 'this hvd has no such field' };
    if (got === undefined) return { field, why: 'it is not there' };
    if (want.join() !== got.join())
      return { field, why: `it is at ${got[0]} and has ${got[1]} bytes, not at ${want[0]} with ${want[1]} bytes` };
  }
  return undefined;
};
