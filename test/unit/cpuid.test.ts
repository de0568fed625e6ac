import test from 'ava';
import { CpuidModel } from '../../daemon/hypervisor/cpuid.js';
import { DEFAULT_PROCESSOR } from '../../shared/cpu/processor-choice.js';
import { ApicPartition, TSC_HZ } from '../rig/apic-partition.js';

const ascii = (...words: number[]): string =>
  words.map((word) => String.fromCharCode(word & 0xff, (word >>> 8) & 0xff, (word >>> 16) & 0xff, word >>> 24)).join('');

test('vendor, brand and address sizes', (t) => {
  const p = new ApicPartition(1);
  const model = new CpuidModel(1, TSC_HZ, DEFAULT_PROCESSOR);
  const [max, ebx, ecx, edx] = model.query(p.vpBlock(0), 0, 0);
  t.is(max, 0x16);
  t.is(ascii(ebx, edx, ecx), 'GenuineIntel');
  let brand = '';
  for (let leaf = 0x8000_0002; leaf <= 0x8000_0004; leaf++) brand += ascii(...model.query(p.vpBlock(0), leaf, 0));
  t.is(brand.replace(/\0+$/, ''), 'hvd virtual processor');
  t.is(model.query(p.vpBlock(0), 0x8000_0008, 0)[0], 0x3028);
});

test('the APIC bit follows IA32_APIC_BASE, and each VP has its own ID', (t) => {
  const p = new ApicPartition(5);
  const model = new CpuidModel(5, TSC_HZ, DEFAULT_PROCESSOR);
  const one = [...model.query(p.vpBlock(3), 1, 0)];
  t.is(one[0], 0x6fb);
  t.is(one[1] >>> 24, 3);
  t.is((one[1] >>> 16) & 0xff, 8);
  t.is((one[3] >>> 9) & 1, 1);
  t.is((one[3] >>> 28) & 1, 1);
  p.apics[3].writeBase(0xfee0_0000n);
  t.is((model.query(p.vpBlock(3), 1, 0)[3] >>> 9) & 1, 0);
});

test('features that the processor does not have are not claimed, those of long mode are', (t) => {
  const model = new CpuidModel(1, TSC_HZ, DEFAULT_PROCESSOR);
  const vp = new ApicPartition(1).vpBlock(0);
  const edx = model.query(vp, 1, 0)[3];
  for (const bit of [4, 5, 6, 8, 13, 15]) t.is((edx >>> bit) & 1, 1, `bit ${bit}`);
  const extended = model.query(vp, 0x8000_0001, 0)[3];
  for (const bit of [11, 20, 29]) t.is((extended >>> bit) & 1, 1, `bit ${bit}`);
});

test('topology: the shift covers every VP', (t) => {
  for (const count of [1, 2, 3, 4, 5, 8, 33, 64]) {
    const p = new ApicPartition(count);
    const model = new CpuidModel(count, TSC_HZ, DEFAULT_PROCESSOR);
    const [shift, cores, level, id] = model.query(p.vpBlock(count - 1), 0xb, 1);
    t.true(1 << shift >= count && (shift === 0 || 1 << (shift - 1) < count));
    t.deepEqual([cores, level, id], [count, 0x201, count - 1]);
    t.deepEqual([...model.query(p.vpBlock(0), 0xb, 2)], [0, 0, 2, 0]);
  }
});

test('leaf 15h gives the TSC frequency from the APIC timer’s clock', (t) => {
  const vp = new ApicPartition(1).vpBlock(0);
  for (const hz of [1_000_000_000, 2_500_000_000, 3_333_333_333]) {
    const [denominator, numerator, crystal] = new CpuidModel(1, hz, DEFAULT_PROCESSOR).query(vp, 0x15, 0);
    t.is((crystal * numerator) / denominator, hz);
    t.is(crystal, 1_000_000_000);
  }
});

test('leaves beyond the last one answer as the last; the hypervisor range is the hook’s', (t) => {
  const vp = new ApicPartition(1).vpBlock(0);
  const model = new CpuidModel(1, TSC_HZ, DEFAULT_PROCESSOR, (_vp, leaf, _subleaf, out) => {
    out[0] = leaf;
  });
  const last = [...model.query(vp, 0x16, 0)];
  t.deepEqual([...model.query(vp, 0x17, 0)], last);
  t.deepEqual([...model.query(vp, 0x8000_0009, 0)], last);
  t.deepEqual([...model.query(vp, 0xffff_ffff, 0)], last);
  t.deepEqual([...model.query(vp, 0x4000_0001, 0)], [0x4000_0001, 0, 0, 0]);
  t.deepEqual([...new CpuidModel(1, TSC_HZ, DEFAULT_PROCESSOR).query(vp, 0x4000_0001, 0)], [0, 0, 0, 0]);
});
