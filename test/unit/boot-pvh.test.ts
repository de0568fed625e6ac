// Kernels that are ELF files with a PVH entry: what they find, what is refused; and how such a file is taken out of a bzImage.
import { gzipSync } from 'node:zlib';
import test from 'ava';
import fc from 'fast-check';
import { BootError, type BootErrorCode } from '../../daemon/boot/boot-error.js';
import { planPartition } from '../../daemon/boot/build-partition.js';
import type { PartitionSpec } from '../../daemon/boot/partition-spec.js';
import { unpackLz4 } from '../../daemon/cli/images/lz4-legacy.js';
import { vmlinuxOf } from '../../daemon/cli/images/vmlinux.js';
import { bzImage, pvhElf } from '../rig/boot-images.js';
import { build, cString, Slot, specOf } from '../rig/boot-partition.js';

const MIB = 1 << 20;
const code = Uint8Array.of(0xfa, 0xf4, 0x90, 0x90);
const segments = [
  { address: 2 * MIB, data: code, memorySize: 0x3000 },
  { address: 3 * MIB, data: Uint8Array.of(1, 2, 3) },
];

const refusal = (spec: PartitionSpec): BootErrorCode | 'accepted' => {
  try {
    planPartition(spec);
    return 'accepted';
  } catch (error) {
    if (error instanceof BootError && !error.message.includes('\n')) return error.code;
    throw error;
  }
};

for (const bits of [32, 64] as const)
  for (const noteBytes of [4, 8] as const)
    test(`an ELF file of ${bits} bits starts at its PVH entry (a note of ${noteBytes} bytes) with the start information in EBX`, (t) => {
      const initrd = Uint8Array.from({ length: 5000 }, (_, i) => i & 0xff);
      const image = pvhElf(bits, segments, { entry: 2 * MIB + 1, noteBytes });
      const built = build(specOf(image, { commandLine: 'console=ttyS0 x', initrd }));
      const { boot, ram } = built;
      t.is(built.slot(Slot.RIP), BigInt(2 * MIB + 1));
      t.deepEqual([boot.cr0, boot.cr4, boot.efer, boot.csAccess, boot.csLimit, boot.ssAccess], [0x11, 0, 0, 0xc09b, 0xffff_ffff, 0xc093]);
      t.is(built.slot(Slot.FLAG_SYSTEM), 2n);
      t.is(ram.getBigUint64(boot.gdtrBaseNum + boot.csSelector, true), 0x00cf_9b00_0000_ffffn);
      t.deepEqual([...built.bytes(2 * MIB, 5)], [...code, 0]);
      t.deepEqual([...built.bytes(3 * MIB, 3)], [1, 2, 3]);
      const info = Number(built.slot(Slot.RBX));
      const word = (at: number): number => ram.getUint32(info + at, true);
      const wide = (at: number): number => Number(ram.getBigUint64(info + at, true));
      t.deepEqual([word(0), word(4), word(8), word(12)], [0x336e_c578, 1, 0, 1]);
      t.is(cString(built, wide(24)), 'console=ttyS0 x');
      t.is(wide(32), 0xf_0000);
      const module = wide(16);
      const at = Number(ram.getBigUint64(module, true));
      t.is(at % 4096, 0);
      t.deepEqual(built.bytes(at, Number(ram.getBigUint64(module + 8, true))), initrd);
      const map = Array.from({ length: word(48) }, (_, i) => {
        const entry = wide(40) + i * 24;
        return [Number(ram.getBigUint64(entry, true)), Number(ram.getBigUint64(entry + 8, true)), ram.getUint32(entry + 16, true)];
      });
      t.deepEqual(map.slice(0, 4), [
        [0, 0x9_fc00, 1],
        [0x9_fc00, 0x400, 2],
        [0xf_0000, 0x1_0000, 2],
        [MIB, 15 * MIB - 0x1_0000, 1],
      ]);
    });

test('what is wrong with such a file is refused', (t) => {
  const good = pvhElf(64, segments, {});
  t.is(refusal(specOf(good)), 'accepted');
  t.is(refusal(specOf(pvhElf(64, segments, { noteName: 'Zen' }))), 'image-unsupported');
  t.is(refusal(specOf(pvhElf(64, segments, { entry: 4 * MIB }))), 'entry-outside-image');
  t.is(refusal(specOf(pvhElf(64, [{ address: 64 * MIB, data: code }], {}))), 'segment-outside-ram');
  t.is(refusal(specOf(good.subarray(0, good.length - 1))), 'image-truncated');
  t.is(refusal(specOf(good.subarray(0, 40))), 'image-truncated');
  t.is(refusal(specOf(good, { commandLine: 'x'.repeat(4096) })), 'command-line-too-long');
  t.is(refusal(specOf(good, { initrd: new Uint8Array(14 * MIB) })), 'initrd-too-large');
  for (const [at, value, code] of [
    [4, 3, 'image-unsupported'],
    [5, 2, 'image-unsupported'],
    [16, 3, 'image-unsupported'],
    [18, 3, 'image-unsupported'],
    [54, 16, 'image-malformed'],
    [56, 0, 'image-malformed'],
    [56, 255, 'image-truncated'],
  ] as const) {
    const bad = Uint8Array.from(good);
    bad[at] = value;
    t.is(refusal(specOf(bad)), code, `byte ${at}`);
  }
});

test('whatever is in such a file, it is accepted or refused', (t) => {
  const good = pvhElf(64, segments, {});
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }), (changes) => {
      const image = Uint8Array.from(good);
      for (const [at, value] of changes) image[at] = value;
      refusal(specOf(image));
    }),
    { numRuns: 500 },
  );
  t.pass();
});

/** A block of literals and matches as the format has them; the last sequence is literals only. */
const lz4 = (...blocks: readonly (readonly (readonly [literals: Uint8Array, distance?: number, match?: number])[])[]): Uint8Array => {
  const long = (length: number): number[] =>
    length < 15 ? [] : [...Array<number>(Math.floor((length - 15) / 255)).fill(255), (length - 15) % 255];
  const packed = blocks.map((sequences) =>
    Buffer.concat(
      sequences.map(([literals, distance, match = 0]) => {
        const rest = distance === undefined ? 0 : match - 4;
        const token = (Math.min(15, literals.length) << 4) | Math.min(15, rest);
        const after = distance === undefined ? [] : [distance & 0xff, distance >>> 8, ...long(rest)];
        return Buffer.from([token, ...long(literals.length), ...literals, ...after]);
      }),
    ),
  );
  const sized = packed.map((block) => {
    const size = Buffer.alloc(4);
    size.writeUInt32LE(block.length);
    return Buffer.concat([size, block]);
  });
  return Buffer.concat([Buffer.of(0x02, 0x21, 0x4c, 0x18), ...sized]);
};
const text = (words: string): Uint8Array => Buffer.from(words);

test('LZ4: literals, matches that repeat what they make, lengths of any size, several blocks', (t) => {
  const long = Uint8Array.from({ length: 700 }, (_, i) => (i * 7) & 0xff);
  const packed = lz4([[text('abc'), 3, 10], [text('x'), 1, 600], [long, 700, 4], [text('end')]], [[text('second')]]);
  const expected = Buffer.concat([text('abcabcabcabcax'), Buffer.alloc(600, 'x'), long, long.subarray(0, 4), text('endsecond')]);
  t.deepEqual(Buffer.from(unpackLz4(packed, expected.length)), expected);
  t.throws(() => unpackLz4(packed, expected.length - 1), { instanceOf: RangeError });
  t.throws(() => unpackLz4(lz4([[text('a'), 2, 4], [text('b')]]), 9), { message: /outside what there is/ });
  // A match of the second block in the first: blocks stand alone.
  t.throws(() => unpackLz4(lz4([[text('abcdef')]], [[text('g'), 3, 4], [text('h')]]), 99), { message: /outside what there is/ });
});

test('LZ4: whatever is packed, it comes out or is refused', (t) => {
  const good = lz4([[text('abc'), 3, 10], [text('x'), 1, 600], [text('end')]]);
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }), (changes) => {
      const packed = Uint8Array.from(good);
      for (const [at, value] of changes) packed[at] = value;
      try {
        unpackLz4(packed, 1000);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
      }
    }),
    { numRuns: 500 },
  );
  t.pass();
});

/** A bzImage of protocol 2.12 that says where its payload is. */
const withPayload = (payload: Uint8Array): Uint8Array => {
  const image = bzImage(Buffer.concat([Buffer.alloc(0x20), payload]));
  const data = new DataView(image.buffer);
  data.setUint32(0x248, 0x20, true);
  data.setUint32(0x24c, payload.length, true);
  return image;
};
const sized = (packed: Uint8Array, length: number): Uint8Array => {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(length);
  return Buffer.concat([packed, size]);
};

test('the kernel is taken out of a bzImage, by whatever it is packed', (t) => {
  const kernel = pvhElf(64, segments, {});
  t.deepEqual(Uint8Array.from(vmlinuxOf(withPayload(gzipSync(kernel)))), kernel);
  t.deepEqual(Uint8Array.from(vmlinuxOf(withPayload(sized(lz4([[kernel]]), kernel.length)))), kernel);
  t.throws(() => vmlinuxOf(withPayload(sized(lz4([[kernel]]), kernel.length + 1))), { message: /bytes unpacked, not the/ });
  t.throws(() => vmlinuxOf(withPayload(sized(Buffer.from('BZh91AY'), 5))), { message: /begins with 425a6839: neither gzip, xz nor LZ4/ });
  t.throws(() => vmlinuxOf(withPayload(gzipSync(kernel)).subarray(0, -9)), { message: /payload ends at/ });
  t.throws(() => vmlinuxOf(kernel), { message: 'the kernel is no bzImage' });
});
