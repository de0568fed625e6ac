// What a guest finds when it starts is the same wherever the host keeps its files: else the same machine would take another course on another host.
import test from 'ava';
import { PartitionMap } from '../../shared/layout/partition.js';
import { bzImage, multibootElf, multibootFlat, pvhElf } from '../rig/boot-images.js';
import { build, specOf } from '../rig/boot-partition.js';

const MIB = 1 << 20;
const code = Uint8Array.of(0xfa, 0xf4, 0x90, 0x90);
const segments = [{ address: 2 * MIB, data: code, memorySize: 0x3000 }];
const IMAGES: Readonly<Record<string, Uint8Array>> = {
  'multiboot ELF': multibootElf(segments),
  'multiboot with addresses': multibootFlat({ load: MIB, entry: MIB, size: 4096 }),
  'Linux bzImage': bzImage(new Uint8Array(0x1230).fill(7)),
  'ELF with a PVH entry': pvhElf(64, segments, {}),
};
const initrd = new Uint8Array(5000).fill(0x77);

for (const [kind, image] of Object.entries(IMAGES))
  test(`${kind}: no byte of the partition's memory tells in which folder its files are`, (t) => {
    // What lies between devices and RAM is the hypervisor's own, and large: nothing is written to it before an LP comes.
    const memoryIn = (folder: string): readonly Buffer[] => {
      const files = { imageName: `${folder}test.img`, initrdName: `${folder}initrd.img` };
      const { u8 } = build(specOf(image, { ...files, commandLine: 'one=1', initrd })).views;
      return [u8.slice(0, PartitionMap.DEVICES_END), u8.slice(PartitionMap.RAM)].map((part) => Buffer.from(part.buffer));
    };
    const moved = memoryIn(`/home/vme job=io/${'x'.repeat(200)}/`);
    for (const [i, part] of memoryIn('').entries()) t.true(part.equals(moved[i]!));
  });
