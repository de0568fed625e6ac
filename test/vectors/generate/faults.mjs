// Exceptions that user code can raise: #UD, #PF with its error code and CR2, #GP and #SS of non-canonical addresses, #OF, #BR.
import { STATUS } from './chance.mjs';
import { bytesOf, instruction } from './encode.mjs';
import { DATA_PAGE, PAGE, READ_ONLY_PAGE } from './layout.mjs';

const PAGE_END = DATA_PAGE + PAGE;

export const faults = (b) => {
  for (const code of [
    [0x0f, 0x0b],
    [0x0f, 0xff, 0xc0],
    [0x0f, 0xb9, 0xc0],
    [0xf0, 0x90],
    [0xf0, 0x01, 0xc8],
    [0xf0, 0x8b, 0x00],
    [0xf0, 0x38, 0x00],
    [0x8d, 0xc0],
    [0xc6, 0xc8, 0],
    [0x8f, 0xc8],
    [0xfe, 0xd0],
    [0xff, 0xf8],
    [0x0f, 0xc7, 0xc8],
    [0x0f, 0xba, 0xc0, 1],
    [0x0f, 0x04],
  ]) {
    b.add('invalid', code);
  }
  if (b.long)
    for (const code of [
      [0x06],
      [0x07],
      [0x0e],
      [0x16],
      [0x17],
      [0x1e],
      [0x1f],
      [0x27],
      [0x2f],
      [0x37],
      [0x3f],
      [0x60],
      [0x61],
      [0x82, 0xc0, 1],
      [0x9a, 0, 0, 0, 0, 0, 0],
      [0xce],
      [0xd4, 10],
      [0xd5, 10],
      [0xd6],
      [0xea, 0, 0, 0, 0, 0, 0],
    ])
      b.add('invalid', code);
  // Loads, stores and read-modify-writes that end beyond the page, begin before it, or lie in the read-only page.
  for (const size of b.sizes) {
    const w = size === 8 ? 0 : 1;
    const bytes = size / 8;
    const places = [
      PAGE_END,
      DATA_PAGE - bytes,
      READ_ONLY_PAGE + 0x10,
      ...(bytes > 1 ? [PAGE_END - 1, DATA_PAGE - 1, PAGE_END - bytes + 1] : []),
    ];
    for (const target of places) {
      const spec = (opcode, digit, extra = {}) =>
        b.form('page-fault', {
          opcode,
          size,
          kind: 'rm',
          digit,
          target,
          a: 0n,
          b: b.value(size),
          imm: [],
          memory: { form: 'base8' },
          ...extra,
        });
      spec([0x88 | w]);
      spec([0x8a | w]);
      spec([0x00 | w]);
      spec([0xf6 | w], 3);
      spec([0x86 | w]);
      spec([0x00 | w], undefined, { lock: true });
      spec([0x38 | w]);
      spec([0x0f, 0xb0 | w], undefined, { fixed: new Map([[0, b.value(b.mode)]]) });
      spec([0xd0 | w], 4);
      if (size > 8) spec([0x0f, 0xa3], undefined, { b: 0n });
      spec([0xc6 | w], 0, { imm: b.immediate(size) });
      spec([0x0f, 0x94], 0, { size: 8, b: undefined });
    }
  }
  for (const stackPointer of [DATA_PAGE, DATA_PAGE + 2, PAGE_END - 2, PAGE_END + 8]) {
    const registers = new Map([
      [4, BigInt(stackPointer)],
      [5, BigInt(stackPointer)],
    ]);
    for (const code of [
      [0x50],
      [0x58],
      [0x6a, 1],
      [0x9c],
      [0xc3],
      [0xe8, 0x40, 0, 0, 0],
      [0xc9],
      [0xc8, 16, 0, 0],
      ...(b.long ? [] : [[0x60], [0x61]]),
    ]) {
      if (
        code[0] === 0x58 || code[0] === 0xc3 || code[0] === 0xc9 || code[0] === 0x61
          ? stackPointer > DATA_PAGE + 2
          : stackPointer < DATA_PAGE + 4
      )
        b.add('page-fault-stack', code, { registers });
    }
  }
  b.add('page-fault', [0xff, 0xe0], { registers: new Map([[0, 0x12345678n]]) });
  if (b.long) {
    for (const address of [0x0000800000000000n, 0xffff7ffffffffff8n, 0x1234567890abcdefn, 0x00007ffffffffffcn]) {
      // 8 bytes at 00007FFFFFFFFFFCh reach into the hole.
      for (const [code, n] of [
        [[0x48, 0x8b, 0x03], 3],
        [[0x48, 0x89, 0x03], 3],
        [[0x48, 0x8b, 0x45, 0], 5],
        [[0xff, 0x23], 3],
      ])
        b.add('non-canonical', code, { registers: new Map([[n, address]]) });
      if (address !== 0x00007ffffffffffcn) {
        b.add('non-canonical', [0x50], { registers: new Map([[4, address]]) });
        b.add('non-canonical', [0xff, 0xe3], { registers: new Map([[3, address]]) });
      }
    }
  } else {
    b.add('into', [0xce], { flags: STATUS.OF });
    b.add('into', [0xce], { flags: 0 });
    for (const size of [32, 16]) {
      for (const [low, high, index] of [
        [0n, 10n, 5n],
        [0n, 10n, 10n],
        [0n, 10n, 11n],
        [-5n, 5n, -6n],
        [-5n, 5n, -5n],
      ]) {
        const at = b.place(8);
        const half = size / 8;
        b.form('bound', {
          opcode: [0x62],
          size,
          kind: 'rm',
          target: at,
          a: 0n,
          b: BigInt.asUintN(size, index),
          extraMemory: [[at - DATA_PAGE, [...bytesOf(low, half), ...bytesOf(high, half)]]],
        });
      }
    }
  }
  b.add('invalid', instruction({ mode: b.mode, opcode: [0x0f, 0xb9], size: 32, reg: 0, rm: { number: 1 } }));
};
