import { existsSync, readFileSync } from 'node:fs';
import test from 'ava';
import { BootError, type BootErrorCode } from '../../daemon/boot/boot-error.js';
import { planPartition } from '../../daemon/boot/build-partition.js';
import type { PartitionSpec } from '../../daemon/boot/partition-spec.js';
import { VpState } from '../../shared/layout/vp.js';
import { multibootElf, multibootFlat } from '../rig/boot-images.js';
import { build, cString, Slot, specOf } from '../rig/boot-partition.js';

const MIB = 1 << 20;
const code = Uint8Array.of(0xfa, 0xf4, 0x90, 0x90);
const elf = multibootElf([
  { address: MIB, data: code, memorySize: 0x2000 },
  { address: 0x20_0000, data: Uint8Array.of(1, 2, 3) },
]);

const refusal = (spec: PartitionSpec): BootErrorCode | 'accepted' => {
  try {
    planPartition(spec);
    return 'accepted';
  } catch (error) {
    if (error instanceof BootError && !error.message.includes('\n')) return error.code;
    throw error;
  }
};

test('a multiboot ELF starts in flat 32-bit mode with the magic and the information block', (t) => {
  const initrd = Uint8Array.from({ length: 5000 }, (_, i) => i & 0xff);
  const built = build(specOf(elf, { commandLine: 'one=1 two', initrd }));
  const { boot, ram } = built;
  t.is(built.slot(Slot.RIP), BigInt(MIB));
  t.is(built.slot(Slot.RAX), 0x2bad_b002n);
  t.is(boot.cr0, 0x11);
  t.is(boot.state, VpState.READY);
  t.is(built.vp(1).state, VpState.WAIT_FOR_SIPI);
  t.deepEqual([boot.csAccess, boot.csLimit, boot.dsAccess, boot.ssLimit], [0xc09b, 0xffff_ffff, 0xc093, 0xffff_ffff]);
  t.is(built.slot(Slot.FLAG_SYSTEM), 2n);
  // The selectors name descriptors that say the same as the hidden parts.
  t.is(ram.getBigUint64(boot.gdtrBaseNum + boot.csSelector, true), 0x00cf_9b00_0000_ffffn);
  t.is(ram.getBigUint64(boot.gdtrBaseNum + boot.dsSelector, true), 0x00cf_9300_0000_ffffn);
  t.true(boot.gdtrLimit >= boot.dsSelector + 7);

  t.deepEqual([...built.bytes(MIB, 5)], [0xfa, 0xf4, 0x90, 0x90, 0]);
  t.deepEqual([...built.bytes(0x20_0000, 3)], [1, 2, 3]);
  const info = Number(built.slot(Slot.RBX));
  const word = (offset: number): number => ram.getUint32(info + offset, true);
  t.is(word(0) & 0x4d, 0x4d);
  t.is(word(4), 639);
  t.is(word(8), 15 * 1024 - 64);
  t.is(cString(built, word(16)), 'test.img one=1 two');
  t.is(word(20), 1);
  const start = ram.getUint32(word(24), true);
  const end = ram.getUint32(word(24) + 4, true);
  t.is(start % 4096, 0);
  t.true(start >= 0x20_0003);
  t.deepEqual(built.bytes(start, end - start), initrd);
  let usable = 0;
  for (let at = word(48); at < word(48) + word(44); at += ram.getUint32(at, true) + 4) {
    if (ram.getUint32(at + 20, true) === 1) usable += Number(ram.getBigUint64(at + 12, true));
  }
  t.is(usable, 0x9_fc00 + 15 * MIB - 0x1_0000);
});

test('the address fields of the header are enough to load a flat image', (t) => {
  const image = multibootFlat({ load: 0x40_0000, loadEnd: 0x40_0000 + 600, bssEnd: 0x40_1000, entry: 0x40_0020, headerAt: 64, size: 1000 });
  const built = build(specOf(image));
  t.is(built.slot(Slot.RIP), 0x40_0020n);
  t.deepEqual(built.bytes(0x40_0000, 600), image.slice(0, 600));
  t.true(built.bytes(0x40_0000 + 600, 0x1000 - 600).every((byte) => byte === 0));
  t.is(build(specOf(multibootFlat({ load: 0x40_0000, entry: 0x40_0020, size: 1000 }))).ram.getUint8(0x40_0000 + 999), 0x90);
});

test('the entry is a virtual address and follows its segment', (t) => {
  const image = multibootElf([{ address: 0xc010_0000, data: code }]);
  new DataView(image.buffer).setUint32(52 + 12, 0x10_0000, true);
  t.is(build(specOf(image)).slot(Slot.RIP), 0x10_0000n);
});

test('information stands clear of an image that fills low memory', (t) => {
  const image = multibootElf([{ address: 0x1000, data: code, memorySize: 0x8_0000 }]);
  const built = build(specOf(image));
  t.true(built.slot(Slot.RBX) >= 0x8_1000n);
  t.deepEqual([...built.bytes(0x1000, 4)], [...code]);
});

test('each image that is wrong is refused with its own code', (t) => {
  const wrong: [BootErrorCode, PartitionSpec][] = [
    ['image-unknown', specOf(new TextEncoder().encode('#!/bin/sh\n'.repeat(100)))],
    ['image-truncated', specOf(new Uint8Array())],
    ['image-unsupported', specOf(multibootElf([{ address: MIB, data: code }], { flags: 0x20 }))],
    ['image-truncated', specOf(elf.subarray(0, elf.length - 1))],
    ['segment-outside-ram', specOf(multibootElf([{ address: MIB, data: code, memorySize: 16 * MIB }]))],
    ['segment-outside-ram', specOf(multibootElf([{ address: 0xffff_fff0, data: code, memorySize: 0x20 }]))],
    ['segment-outside-ram', specOf(multibootElf([{ address: 0xb_8000, data: code }]))],
    ['segment-outside-ram', specOf(multibootElf([{ address: 0, data: code }]))],
    ['segment-outside-ram', specOf(elf, { ramSize: MIB })],
    ['entry-outside-image', specOf(multibootElf([{ address: MIB, data: code }], { entry: MIB + 4 }))],
    ['initrd-too-large', specOf(elf, { initrd: new Uint8Array(15 * MIB) })],
    ['command-line-too-long', specOf(elf, { commandLine: 'x'.repeat(5000) })],
    ['memory-size', specOf(elf, { ramSize: 512 * 1024 })],
    ['memory-size', specOf(elf, { ramSize: 3073 * MIB })],
    ['memory-size', specOf(elf, { ramSize: 16 * MIB + 4096 })],
    ['memory-size', specOf(elf, { ramSize: Number.NaN })],
    ['vp-count', specOf(elf, { vpCount: 0 })],
    ['vp-count', specOf(elf, { vpCount: 65 })],
    ['image-malformed', specOf(multibootFlat({ load: MIB, loadEnd: MIB - 4, entry: MIB, size: 100 }))],
    ['image-truncated', specOf(multibootFlat({ load: MIB, loadEnd: MIB + 101, entry: MIB, size: 100 }))],
    ['image-malformed', specOf(multibootFlat({ load: MIB, bssEnd: MIB + 99, entry: MIB, size: 100 }))],
  ];
  for (const [expected, spec] of wrong) t.is(refusal(spec), expected);
  const elf64 = Uint8Array.from(elf);
  elf64[4] = 2;
  t.is(refusal(specOf(elf64)), 'image-unsupported');
  const empty = Uint8Array.from(elf);
  new DataView(empty.buffer).setUint32(52 + 16, 0x9000, true);
  t.is(refusal(specOf(empty)), 'image-malformed');
});

for (const name of ['bench/guest32.elf', 'bench/guest64.elf', 'images/workload32.elf', 'images/workload64.elf']) {
  const path = new URL(`../../../configs/guests/${name}`, import.meta.url);
  const run = existsSync(path) ? test : test.skip;
  run(`${name} loads${existsSync(path) ? '' : ' (skipped: the image is not there)'}`, (t) => {
    const built = build(specOf(readFileSync(path), { ramSize: 64 * MIB }));
    t.is(built.slot(Slot.RIP) & ~0xffffn, 0x10_0000n);
    t.not(built.ram.getUint32(Number(built.slot(Slot.RIP)), true), 0);
  });
}
