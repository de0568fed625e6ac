// One partition's memory for loader tests, and readers of what was written to its RAM.
import { buildPartition } from '../../daemon/boot/build-partition.js';
import type { PartitionSpec } from '../../daemon/boot/partition-spec.js';
import { NO_HYPERV } from '../../shared/hyperv/hyperv-choice.js';
import { overlayBytesOf } from '../../shared/hyperv/partition-hyperv.js';
import { PartitionMap, vpBlockAt } from '../../shared/layout/partition.js';
import { type Views, viewsOf } from '../../shared/layout/struct.js';
import { Slot, VpBlock } from '../../shared/layout/vp.js';

const MIB = 1 << 20;

export const specOf = (image: Uint8Array, more: Partial<PartitionSpec> = {}): PartitionSpec => ({
  id: 1,
  name: 'test',
  vpCount: 2,
  lpCount: 1,
  nodeCount: 1,
  ramSize: 16 * MIB,
  seed: 1,
  image,
  imageName: 'test.img',
  ...more,
});

export interface Built {
  readonly views: Views;
  readonly boot: VpBlock;
  /** RAM by guest physical address. */
  readonly ram: DataView;
  vp(index: number): VpBlock;
  slot(number: number): bigint;
  bytes(gpa: number, size: number): Uint8Array;
}

export const build = (spec: PartitionSpec): Built => {
  const views = viewsOf(new ArrayBuffer(PartitionMap.RAM + spec.ramSize + overlayBytesOf(spec.hyperv ?? NO_HYPERV, spec.vpCount)));
  // What the builder must not leave as it found it.
  views.u8.fill(0xa5, PartitionMap.VPS, PartitionMap.DEVICES_END);
  buildPartition(views, spec);
  const boot = new VpBlock(views, vpBlockAt(0));
  return {
    views,
    boot,
    ram: new DataView(views.buffer, PartitionMap.RAM, spec.ramSize),
    vp: (index) => new VpBlock(views, vpBlockAt(index)),
    slot: (number) => views.u64[(boot.base >>> 3) + number],
    bytes: (gpa, size) => views.u8.slice(PartitionMap.RAM + gpa, PartitionMap.RAM + gpa + size),
  };
};

export const cString = (built: Built, gpa: number): string => {
  let text = '';
  for (let at = gpa; built.ram.getUint8(at) !== 0; at++) text += String.fromCharCode(built.ram.getUint8(at));
  return text;
};
export { Slot };
