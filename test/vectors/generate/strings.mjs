// String instructions: every width, single and repeated, both directions, overlapping, with 67h, and faulting on the way.
import { STATUS } from './chance.mjs';
import { bytesOf } from './encode.mjs';
import { DATA_PAGE, PAGE } from './layout.mjs';

const OPS = [
  ['movs', 0xa4, true],
  ['cmps', 0xa6, true],
  ['stos', 0xaa, false],
  ['lods', 0xac, true],
  ['scas', 0xae, false],
];

export const strings = (b) => {
  for (const [name, opcode, source] of OPS) {
    const compares = name === 'cmps' || name === 'scas';
    for (const size of b.sizes) {
      const bytes = size / 8;
      const code = (prefixes) => [
        ...prefixes,
        ...(size === 16 ? [0x66] : []),
        ...(size === 64 ? [0x48] : []),
        opcode | (size === 8 ? 0 : 1),
      ];
      const run = (prefixes, count, { down = b.chance.one(2), from, to, fill = [], undefinedFlags } = {}) => {
        const room = Math.min(count, 48) * bytes;
        const at = () => DATA_PAGE + 0x200 + (down ? room : 0) + b.chance.below(0x800);
        const value = b.value(size);
        b.add(name, code(prefixes), {
          registers: new Map([
            [0, b.wide(value, size)],
            [1, BigInt(count)],
            [6, BigInt(from ?? at())],
            [7, BigInt(to ?? at())],
          ]),
          flags: (down ? STATUS.DF : 0) | Number(b.chance.u64() & 0x8d5n),
          memory: fill,
          undefinedFlags,
        });
      };
      for (let i = 0; i < 6; i++) run([], b.chance.below(5));
      for (let i = 0; i < 3; i++) run([0x67], b.chance.below(5));
      for (const rep of compares ? [0xf2, 0xf3] : [0xf3]) {
        for (const count of [0, 1, 2, 7, 33]) run([rep], count);
        run([rep, 0x67], 5);
        // Equal (REPE) or unequal (REPNE) for some elements, then not: ends in the middle with the flags of that element.
        if (compares) {
          for (let i = 0; i < 6; i++) {
            const stop = b.chance.below(9);
            const from = DATA_PAGE + 0x400;
            const to = DATA_PAGE + 0x700;
            const same = bytesOf(b.value(size), bytes);
            const other = bytesOf(b.value(size) ^ 1n, bytes);
            const area = (k) => ((k === stop) === (rep === 0xf3) ? other : same);
            const list = Array.from({ length: 8 }, (_, k) => area(k)).flat();
            const flat = Array.from({ length: 8 }, () => same).flat();
            const registers = new Map([
              [
                0,
                b.wide(
                  BigInt(
                    `0x${[...same]
                      .reverse()
                      .map((x) => x.toString(16).padStart(2, '0'))
                      .join('')}`,
                  ),
                  size,
                ),
              ],
              [1, 8n],
              [6, BigInt(from)],
              [7, BigInt(to)],
            ]);
            b.add(name, code([rep]), {
              registers,
              flags: Number(b.chance.u64() & 0x8d5n),
              memory: [
                [from - DATA_PAGE, flat],
                [to - DATA_PAGE, list],
              ],
            });
          }
        }
        // Runs off the page: the registers stand at the element that faulted.
        const end = DATA_PAGE + PAGE - 3 * bytes;
        run([rep], 9, {
          down: false,
          to: end,
          from: source ? DATA_PAGE + 0x300 : undefined,
          ...(compares ? { undefinedFlags: 0x8d5 } : {}),
        });
        if (source)
          run([rep], 9, { down: true, from: DATA_PAGE + 2 * bytes, to: DATA_PAGE + 0x600, ...(compares ? { undefinedFlags: 0x8d5 } : {}) });
      }
      if (name === 'movs') {
        const at = DATA_PAGE + 0x500;
        for (const distance of [1, bytes, 3, -1, -bytes]) {
          run([0xf3], 20, { down: false, from: at, to: at + distance });
          run([0xf3], 20, { down: true, from: at, to: at + distance });
        }
        // F2 before MOVS repeats as F3 does.
        run([0xf2], 6);
      }
    }
  }
};
