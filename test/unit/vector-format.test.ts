// The vector files decode, keep their promises, and agree with what the architecture says where that is easy to compute apart from them.
import test from 'ava';
import {
  CODE_ENTRY,
  DATA_PAGE,
  decodeVectors,
  fillDataPage,
  fillExpectedPage,
  loadVectors,
  type Vector,
  type VectorMode,
  vectorName,
} from '../vectors/load.js';

const MODES: readonly VectorMode[] = [64, 32];
const NEEDED = [
  'add',
  'adc',
  'sbb',
  'cmp',
  'mul',
  'imul',
  'div',
  'idiv',
  'shl',
  'sar',
  'rcl',
  'rcr',
  'shld',
  'shrd',
  'bt',
  'bts',
  'bsf',
  'cmpxchg',
  'cmpxchg8b',
  'xadd',
  'bswap',
  'cmovcc',
  'setcc',
  'jcc',
  'loop',
  'call',
  'ret',
  'movs',
  'cmps',
  'scas',
  'enter',
  'leave',
  'pushf',
  'popf',
  'lahf',
  'sahf',
  'xlat',
  'lock-add',
  'page-fault',
  'sequence',
];

for (const mode of MODES) {
  const vectors = loadVectors(mode);
  const of = (family: string): Vector[] => vectors.filter((v) => v.family === family);

  test(`the ${mode}-bit file has thousands of vectors and every family`, (t) => {
    t.true(vectors.length > 5000);
    const families = new Set(vectors.map((v) => v.family));
    for (const family of NEEDED) t.true(families.has(family), family);
    t.is(families.has('daa'), mode === 32);
    t.is(families.has('cmpxchg16b'), mode === 64);
  });

  test(`${mode}-bit vectors without an exception end at an INT3 of the code page`, (t) => {
    for (const v of vectors) {
      if (v.expected.exception) continue;
      const at = Number(v.expected.rip) - CODE_ENTRY;
      t.true(at >= -0x800 && at < 0x800 && !(at >= 0 && at < v.code.length && v.instructions === 1), vectorName(v));
    }
  });

  test(`${mode}-bit faults leave RIP and, but for repeated strings, registers and memory as they were`, (t) => {
    for (const v of vectors) {
      if (!v.expected.exception || v.expected.exception.vector === 4) continue;
      const wild =
        v.expected.exception.error & 0x10 ||
        ['movs', 'cmps', 'scas', 'stos', 'lods'].includes(v.family) ||
        v.expected.exception.address === v.expected.rip;
      if (wild) continue;
      t.is(Number(v.expected.rip), CODE_ENTRY, vectorName(v));
      t.deepEqual(v.expected.registers, v.initial.registers, vectorName(v));
      t.is(v.expected.memory.length, 0, vectorName(v));
    }
  });

  test(`page faults of ${mode}-bit vectors name a page that is not the data page or is read-only`, (t) => {
    const faults = vectors.filter((v) => v.expected.exception?.vector === 14);
    t.true(faults.length > 200);
    for (const v of faults) t.not(Number(v.expected.exception?.address) >>> 12, DATA_PAGE >>> 12, vectorName(v));
  });

  test(`carry and zero of ${mode}-bit register ADDs are those of the sum`, (t) => {
    // ADD r/m32, r32 without REX, registers only: 01 /r with mod 3.
    let seen = 0;
    for (const v of of('add')) {
      if (v.code.length !== 2 || v.code[0] !== 0x01 || v.code[1] < 0xc0) continue;
      seen++;
      const sum = (v.initial.registers[v.code[1] & 7] & 0xffffffffn) + (v.initial.registers[(v.code[1] >> 3) & 7] & 0xffffffffn);
      t.is(v.expected.flags & 1, sum > 0xffffffffn ? 1 : 0, vectorName(v));
      t.is((v.expected.flags >> 6) & 1, (sum & 0xffffffffn) === 0n ? 1 : 0, vectorName(v));
    }
    t.true(seen > 0);
  });

  test(`the expected page of ${mode}-bit vectors differs from the first one exactly where runs say`, (t) => {
    const before = new Uint8Array(4096);
    const after = new Uint8Array(4096);
    for (const v of of('stos')) {
      fillDataPage(v, before);
      fillExpectedPage(v, after);
      const touched = new Set(v.expected.memory.flatMap((r) => Array.from(r.bytes, (_, i) => r.offset + i)));
      for (let i = 0; i < 4096; i++) if (before[i] !== after[i]) t.true(touched.has(i), vectorName(v));
    }
    t.pass();
  });
}

test('a damaged or foreign file is refused', (t) => {
  t.throws(() => decodeVectors(new Uint8Array([1, 2, 3])));
});
