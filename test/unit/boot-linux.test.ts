import { existsSync, readFileSync } from 'node:fs';
import test from 'ava';
import { BootError } from '../../daemon/boot/boot-error.js';
import { planPartition } from '../../daemon/boot/build-partition.js';
import type { PartitionSpec } from '../../daemon/boot/partition-spec.js';
import { bzImage } from '../rig/boot-images.js';
import { build, cString, Slot, specOf } from '../rig/boot-partition.js';

const MIB = 1 << 20;
const kernel = Uint8Array.from({ length: 0x1230 }, (_, i) => (i * 7) & 0xff);

const refusal = (spec: PartitionSpec): string => {
  const error = (() => {
    try {
      planPartition(spec);
    } catch (thrown) {
      return thrown;
    }
    return undefined;
  })();
  if (error === undefined) return 'accepted';
  if (!(error instanceof BootError)) throw error;
  return error.code;
};

test('the 32-bit entry finds the zero page in ESI and the flat segments of the boot protocol', (t) => {
  const initrd = new Uint8Array(9000).fill(0x77);
  const built = build(specOf(bzImage(kernel), { commandLine: 'console=ttyS0', initrd }));
  const { boot, ram } = built;
  t.is(built.slot(Slot.RIP), 0x10_0000n);
  t.deepEqual([boot.csSelector, boot.dsSelector, boot.ssSelector, boot.cr0, boot.efer], [0x10, 0x18, 0x18, 0x11, 0]);
  t.deepEqual([built.slot(Slot.RBX), built.slot(Slot.RBP), built.slot(Slot.RDI)], [0n, 0n, 0n]);
  t.deepEqual(built.bytes(0x10_0000, kernel.length), kernel);
  const zero = Number(built.slot(Slot.RSI));
  t.is(ram.getUint32(zero + 0x202, true), 0x5372_6448);
  t.is(ram.getUint8(zero + 0x210), 0xff);
  t.is(cString(built, ram.getUint32(zero + 0x228, true)), 'console=ttyS0');
  const at = ram.getUint32(zero + 0x218, true);
  t.is(ram.getUint32(zero + 0x21c, true), 9000);
  t.is(at % 4096, 0);
  t.deepEqual(built.bytes(at, 9000), initrd);
  t.is(ram.getBigUint64(zero + 0x70, true), 0xf_0000n);
  t.deepEqual([ram.getUint8(zero + 6), ram.getUint8(zero + 7), ram.getUint8(zero + 0xe), ram.getUint8(zero + 0xf)], [3, 80, 25, 1]);
  const map = Array.from({ length: ram.getUint8(zero + 0x1e8) }, (_, index) => {
    const entry = zero + 0x2d0 + index * 20;
    return [Number(ram.getBigUint64(entry, true)), Number(ram.getBigUint64(entry + 8, true)), ram.getUint32(entry + 16, true)];
  });
  t.deepEqual(map.slice(0, 5), [
    [0, 0x9_fc00, 1],
    [0x9_fc00, 0x400, 2],
    [0xf_0000, 0x1_0000, 2],
    [MIB, 15 * MIB - 0x1_0000, 1],
    [16 * MIB - 0x1_0000, 0x1_0000, 3],
  ]);
});

test('the 64-bit entry runs under an identity map of 4 GiB', (t) => {
  const built = build(specOf(bzImage(kernel, { xloadflags: 1 }), { entry: '64' }));
  const { boot, ram } = built;
  t.is(built.slot(Slot.RIP), 0x10_0200n);
  t.deepEqual([boot.cr0, boot.cr4, boot.efer, boot.csAccess], [0x8000_0011, 0x20, 0x500, 0xa09b]);
  t.is(ram.getBigUint64(boot.gdtrBaseNum + 0x10, true), 0x00af_9b00_0000_ffffn);
  const next = (table: bigint, index: number): bigint => ram.getBigUint64(Number(table & ~0xfffn) + index * 8, true);
  for (const address of [0n, 0x10_0000n, 0x4030_0000n, 0xfee0_0000n, 0xffff_ffffn]) {
    const directory = next(next(boot.cr3, 0), Number(address >> 30n));
    const page = next(directory, Number((address >> 21n) & 511n));
    t.is(page & 0x83n, 0x83n);
    t.is(page & ~0x1f_ffffn, address & ~0x1f_ffffn);
  }
});

test('the initrd stays below initrd_addr_max and above what the kernel needs', (t) => {
  const initrd = new Uint8Array(MIB);
  const built = build(
    specOf(bzImage(kernel, { initrdMax: 0x5f_ffff, relocatable: 1, preferred: 0x20_0000, initSize: 0x10_0000 }), { initrd }),
  );
  const zero = Number(built.slot(Slot.RSI));
  t.is(built.ram.getUint32(zero + 0x218, true), 0x50_0000);
  const tight = bzImage(kernel, { initrdMax: 0x3f_ffff, relocatable: 1, preferred: 0x20_0000, initSize: 0x18_0000 });
  t.is(refusal(specOf(tight, { initrd })), 'initrd-too-large');
});

test('a kernel that asks for what is not there is refused with its own code', (t) => {
  t.is(refusal(specOf(bzImage(kernel))), 'accepted');
  t.is(refusal(specOf(bzImage(kernel), { entry: '64' })), 'image-unsupported');
  t.is(refusal(specOf(bzImage(kernel, { version: 0x0201 }))), 'image-unsupported');
  t.is(refusal(specOf(bzImage(kernel, { initSize: 16 * MIB }))), 'memory-too-small');
  t.is(refusal(specOf(bzImage(kernel, { relocatable: 1, preferred: 0xff_0000 }))), 'memory-too-small');
  t.is(refusal(specOf(bzImage(kernel), { commandLine: 'x'.repeat(256) })), 'command-line-too-long');
  t.is(refusal(specOf(bzImage(kernel), { initrd: new Uint8Array(15 * MIB) })), 'initrd-too-large');
  t.is(refusal(specOf(bzImage(kernel).subarray(0, 3 * 512 + 0x1220))), 'image-truncated');
  t.is(refusal(specOf(bzImage(kernel).subarray(0, 0x210))), 'image-truncated');
  const low = bzImage(kernel);
  low[0x211] = 0;
  t.is(refusal(specOf(low)), 'image-unsupported');
});

for (const name of ['memtest86+ia32.bin', 'memtest86+x64.bin']) {
  const path = `${process.env.HVD_MEMTEST ?? '/boot'}/${name}`;
  const run = existsSync(path) ? test : test.skip;
  run(`${name} of Debian's package loads${existsSync(path) ? '' : ` (skipped: no ${path})`}`, (t) => {
    const built = build(specOf(readFileSync(path)));
    // cld; cli; mov code32_start(%esi), %ebx
    t.deepEqual([...built.bytes(0x10_0000, 8)], [0xfc, 0xfa, 0x8b, 0x9e, 0x14, 2, 0, 0]);
    t.is(built.ram.getUint32(Number(built.slot(Slot.RSI)) + 0x214, true), 0x10_0000);
    t.is(refusal(specOf(readFileSync(path), { entry: '64' })), name.includes('x64') ? 'accepted' : 'image-unsupported');
  });
}
