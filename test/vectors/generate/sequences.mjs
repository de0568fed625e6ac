// Random short sequences in which later instructions read the flags of earlier ones: lazily kept flags go wrong between instructions, not in them.
import { Decoder, RflagsBits } from 'iced-x86';
import { STATUS } from './chance.mjs';
import { instruction, register } from './encode.mjs';
import { CODE_ENTRY } from './layout.mjs';

const BITS = [
  [RflagsBits.CF, STATUS.CF],
  [RflagsBits.PF, STATUS.PF],
  [RflagsBits.AF, STATUS.AF],
  [RflagsBits.ZF, STATUS.ZF],
  [RflagsBits.SF, STATUS.SF],
  [RflagsBits.OF, STATUS.OF],
];
export const toStatus = (rflags) => BITS.reduce((f, [iced, bit]) => f | (rflags & iced ? bit : 0), 0);

/** What iced says of one instruction's flags. */
export const flagEffects = (mode, code) => {
  const decoder = new Decoder(mode, Uint8Array.from([...code, ...Array(16).fill(0x90)]), 0);
  decoder.ip = BigInt(CODE_ENTRY);
  const i = decoder.decode();
  const out = {
    length: i.length,
    read: toStatus(i.rflagsRead),
    written: toStatus(i.rflagsWritten | i.rflagsCleared | i.rflagsSet),
    undefined: toStatus(i.rflagsUndefined),
    isInvalid: i.isInvalid,
  };
  i.free();
  decoder.free();
  return out;
};

/** A shift: what its count may leave undefined, and whether a count of zero may leave all flags as they were. */
const shift = (code, undefinedFlags, mayKeep = false) => Object.assign(code, { undefinedFlags, mayKeep });

const one = (b) => {
  const size = b.chance.pick(b.sizes);
  const w = size === 8 ? 0 : 1;
  const low = size === 8 && !b.long ? 4 : b.registerCount;
  const pick = () => {
    for (;;) {
      const n = b.chance.below(low);
      if (n !== 4) return n;
    }
  };
  const rex = size === 8 && b.long;
  const make = (spec) => instruction({ mode: b.mode, size, reg: pick(), rm: register(pick()), rex, ...spec });
  const wide = size === 8 ? b.chance.pick(b.wideSizes) : size;
  return b.chance.pick([
    () => make({ opcode: [(b.chance.below(8) << 3) | w] }),
    () => make({ opcode: [(b.chance.below(8) << 3) | 2 | w] }),
    () => make({ opcode: [size === 8 ? 0x80 : 0x83], reg: b.chance.below(8), imm: b.immediate(8) }),
    () => make({ opcode: [0xfe | w], reg: b.chance.below(2) }),
    () => make({ opcode: [0xf6 | w], reg: 2 + b.chance.below(2) }),
    () => make({ opcode: [0xf6 | w], reg: 4 + b.chance.below(2) }),
    () => make({ opcode: [0x84 | w] }),
    () => make({ opcode: [0xd0 | w], reg: b.chance.below(8) }),
    () => shift(make({ opcode: [0xc0 | w], reg: b.chance.below(8), imm: [1 + b.chance.below(size - 1)] }), STATUS.OF | STATUS.AF),
    () => shift(make({ opcode: [0xd2 | w], reg: b.chance.below(8) }), STATUS.OF | STATUS.AF | (size < 32 ? STATUS.CF : 0), true),
    () =>
      make({ opcode: [0x0f, 0x90 | b.chance.below(16)], size: 8, reg: 0, rm: register(b.long ? pick() : b.chance.below(4)), rex: b.long }),
    () => make({ opcode: [0x0f, 0x40 | b.chance.below(16)], size: wide }),
    () => make({ opcode: [0x0f, b.chance.pick([0xa3, 0xab, 0xb3, 0xbb])], size: wide }),
    () => make({ opcode: [0x0f, 0xaf], size: wide }),
    () => make({ opcode: [0x0f, 0xc0 | w] }),
    () => make({ opcode: [0x88 | w] }),
    () => [b.chance.pick([0xf5, 0xf8, 0xf9, 0x9f, 0x9e])],
  ])();
};

export const sequences = (b, count) => {
  for (let k = 0; k < count; k++) {
    const code = [];
    let unknown = 0;
    const wanted = 2 + b.chance.below(5);
    for (let n = 0; n < wanted; ) {
      const next = one(b);
      const effects = flagEffects(b.mode, next);
      // Nothing may depend on a flag that an earlier instruction left undefined; CMPXCHG and the like are not in the pool.
      if (effects.read & unknown) continue;
      unknown = (next.mayKeep ? unknown : unknown & ~effects.written) | effects.undefined | (next.undefinedFlags ?? 0);
      code.push(...next);
      n++;
    }
    if (code.length > 56) continue;
    const registers = new Map([...Array(b.registerCount).keys()].filter((n) => n !== 4).map((n) => [n, b.value(b.mode)]));
    b.add('sequence', code, { registers, undefinedFlags: unknown });
  }
};
