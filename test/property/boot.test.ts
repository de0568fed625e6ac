import test from 'ava';
import fc from 'fast-check';
import { BootError } from '../../daemon/boot/boot-error.js';
import { planPartition } from '../../daemon/boot/build-partition.js';
import { findMultibootHeader } from '../../daemon/boot/multiboot.js';
import type { PartitionSpec } from '../../daemon/boot/partition-spec.js';
import { bzImage, multibootElf, multibootFlat } from '../rig/boot-images.js';
import { specOf } from '../rig/boot-partition.js';

const MIB = 1 << 20;
// One byte into a new paragraph: syssize counts paragraphs, so a bzImage cannot tell how much of its last one is there.
const bytes = Uint8Array.from({ length: 188 * 16 + 1 }, (_, i) => (i * 13) & 0xff);
const images = [
  multibootElf([
    { address: MIB, data: bytes, memorySize: 0x8000 },
    { address: 2 * MIB, data: bytes },
  ]),
  multibootFlat({ load: MIB, loadEnd: MIB + 2000, bssEnd: MIB + 9000, entry: MIB + 64, headerAt: 128, size: 2000 }),
  bzImage(bytes, { xloadflags: 1 }),
];
const anyImage = fc.constantFrom(...images);

/** The plan is inside usable RAM, or the refusal is a BootError of one line. Anything else throws and fails the property. */
const plansOrRefuses = (spec: PartitionSpec): boolean => {
  try {
    const { chunks } = planPartition(spec);
    const top = spec.ramSize - 0x1_0000;
    return chunks.every(
      ({ gpa, data, size }) => data.length <= size && ((gpa >= 0x1000 && gpa + size <= 0x9_fc00) || (gpa >= MIB && gpa + size <= top)),
    );
  } catch (error) {
    if (error instanceof BootError) return !error.message.includes('\n') && error.message.length < 300;
    throw error;
  }
};

test('every proper prefix of an image is refused as a BootError', (t) => {
  fc.assert(
    fc.property(anyImage, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (image, share) => {
      const spec = specOf(image.subarray(0, Math.floor(image.length * share)));
      t.throws(() => planPartition(spec), { instanceOf: BootError });
    }),
    { numRuns: 400 },
  );
});

test('images with damaged words plan inside RAM or are refused as a BootError', (t) => {
  const damage = fc.array(fc.tuple(fc.nat(0x2a0), fc.oneof(fc.nat(255), fc.constantFrom(0xff, 0x80, 0, 1))), {
    minLength: 1,
    maxLength: 8,
  });
  fc.assert(
    fc.property(anyImage, damage, fc.boolean(), (image, writes, wants64) => {
      const copy = Uint8Array.from(image);
      for (const [at, value] of writes) copy[at] = value;
      const before = findMultibootHeader(image);
      // Most damage breaks the checksum; restoring it lets the fields behind it be tried.
      if (before >= 0) copy.set(image.subarray(before, before + 12), before);
      return plansOrRefuses(specOf(copy, wants64 ? { entry: '64' } : {}));
    }),
    { numRuns: 3000 },
  );
  t.pass();
});

test('any bytes at all plan or are refused', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), (image) => plansOrRefuses(specOf(image))),
    { numRuns: 500 },
  );
  t.pass();
});

test('an initrd never overlaps the image, the tables or the other parts of the plan', (t) => {
  fc.assert(
    fc.property(anyImage, fc.integer({ min: 1, max: 3 * MIB }), fc.integer({ min: 4, max: 6 }), (image, size, mib) => {
      const spec = specOf(image, { ramSize: mib * MIB, initrd: new Uint8Array(size) });
      if (!plansOrRefuses(spec)) return false;
      try {
        const sorted = [...planPartition(spec).chunks].sort((a, b) => a.gpa - b.gpa);
        return sorted.every((part, index) => index === 0 || sorted[index - 1].gpa + sorted[index - 1].size <= part.gpa);
      } catch (error) {
        return error instanceof BootError && error.code === 'initrd-too-large';
      }
    }),
    { numRuns: 300 },
  );
  t.pass();
});
