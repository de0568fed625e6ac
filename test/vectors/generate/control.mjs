// Branches, calls and returns, stack instructions. What is branched to is an INT3 of the code page, which ends the vector.
import { STATUS } from './chance.mjs';
import { bytesOf, instruction, memory, register } from './encode.mjs';
import { CODE_ENTRY, DATA_PAGE, STACK_TOP } from './layout.mjs';

const target = (b) => {
  const at = CODE_ENTRY + b.chance.below(2000) - 1000;
  return at >= CODE_ENTRY && at < CODE_ENTRY + 32 ? CODE_ENTRY + 100 : at;
};
const relative = (b, opcode, size) => {
  const length = opcode.length + size;
  let distance = size === 1 ? b.chance.below(256) - 128 : target(b) - CODE_ENTRY - length;
  if (distance < 0 && distance >= -length) distance = 9;
  return [...opcode, ...bytesOf(distance, size)];
};

export const branches = (b) => {
  const pointer = b.mode / 8;
  for (let i = 0; i < 8; i++) {
    b.add('jmp', relative(b, [0xeb], 1));
    b.add('jmp', relative(b, [0xe9], 4));
    b.add('call', relative(b, [0xe8], 4));
    for (const [name, digit] of [
      ['jmp', 4],
      ['call', 2],
    ]) {
      const n = b.free();
      b.add(`${name}-indirect`, instruction({ mode: b.mode, opcode: [0xff], size: b.mode, noW: true, reg: digit, rm: register(n) }), {
        registers: new Map([[n, BigInt(target(b))]]),
      });
      const at = b.place(8);
      const rm = memory(b.chance, b.mode, at, [4]);
      b.add(`${name}-indirect`, instruction({ mode: b.mode, opcode: [0xff], size: b.mode, noW: true, reg: digit, rm }), {
        registers: rm.registers,
        memory: [[at - DATA_PAGE, bytesOf(target(b), pointer)]],
      });
    }
    const back = [[STACK_TOP - DATA_PAGE, bytesOf(target(b), pointer)]];
    b.add('ret', [0xc3], { memory: back });
    b.add('ret', [0xc2, ...bytesOf(b.chance.pick([0, 1, 8, 0x7f, 0x100, 0x400, 0xffff]), 2)], { memory: back });
  }
  // CALL through a register that the push changes: the target is read first.
  b.add(
    'call-indirect',
    instruction({
      mode: b.mode,
      opcode: [0xff],
      size: b.mode,
      noW: true,
      reg: 2,
      rm: memory(b.chance, b.mode, STACK_TOP, [], { form: 'stack', stackPointer: STACK_TOP }),
    }),
    {
      memory: [[STACK_TOP - DATA_PAGE, bytesOf(target(b), pointer)]],
    },
  );
  for (const [name, opcode] of [
    ['loopne', 0xe0],
    ['loope', 0xe1],
    ['loop', 0xe2],
    ['jcxz', 0xe3],
  ]) {
    for (const prefix of [[], [0x67]]) {
      for (const count of [0n, 1n, 2n, 0xffffn, 0x10000n, 0x10001n, 0xffffffffn, 0x100000000n, 0x100000001n]) {
        const distance = b.chance.below(100) + 4;
        b.add(name, [...prefix, opcode, distance], {
          registers: new Map([[1, BigInt.asUintN(b.mode, count)]]),
          flags: b.chance.one(2) ? STATUS.ZF : 0,
        });
      }
    }
  }
};

export const stack = (b) => {
  const sizes = b.long ? [64, 16] : [32, 16];
  const plain = { mode: b.mode, noW: true };
  for (const size of sizes) {
    for (let n = 0; n < b.registerCount; n++) {
      const registers = n === 4 ? new Map() : new Map([[n, BigInt.asUintN(b.mode, b.value(b.mode))]]);
      b.add('push', instruction({ ...plain, opcode: [0x50], size, plus: n }), { registers });
      if (n !== 4 || size !== 16) b.add('pop', instruction({ ...plain, opcode: [0x58], size, plus: n }), { registers, pattern: 2 });
    }
    for (let i = 0; i < 4; i++) {
      b.add('push', instruction({ ...plain, opcode: [0x68], size, imm: b.immediate(size) }));
      b.add('push', instruction({ ...plain, opcode: [0x6a], size, imm: b.immediate(8) }));
      for (const [name, opcode, digit] of [
        ['push', 0xff, 6],
        ['pop', 0x8f, 0],
      ]) {
        const at = b.place(8);
        const rm = memory(b.chance, b.mode, at, [4]);
        b.add(name, instruction({ ...plain, opcode: [opcode], size, reg: digit, rm }), { registers: rm.registers, pattern: 3 });
      }
      // POP with RSP as base computes its address after the increment (SDM 2B, POP); PUSH before the decrement.
      for (const [name, opcode, digit] of [
        ['push', 0xff, 6],
        ['pop', 0x8f, 0],
      ]) {
        const rm = memory(b.chance, b.mode, STACK_TOP + b.chance.below(64), [], { form: 'stack', stackPointer: STACK_TOP });
        b.add(name, instruction({ ...plain, opcode: [opcode], size, reg: digit, rm }), { pattern: 2 });
      }
      const n = b.free();
      b.add('push', instruction({ ...plain, opcode: [0xff], size, reg: 6, rm: register(n) }), {
        registers: new Map([[n, BigInt.asUintN(b.mode, b.value(b.mode))]]),
      });
      b.add('pop', instruction({ ...plain, opcode: [0x8f], size, reg: 0, rm: register(n) }), { pattern: 3 });
    }
    for (let i = 0; i < 8; i++) {
      b.add('pushf', instruction({ ...plain, opcode: [0x9c], size }));
      // Not TF, and neither NT nor AC: the host's own code would suffer. At CPL 3 IF and IOPL stay as they are.
      const image =
        (b.chance.u64() & 0x8d5n) |
        (b.chance.one(2) ? BigInt(STATUS.DF) : 0n) |
        (b.chance.one(4) ? 0x200000n : 0n) |
        (b.chance.one(2) ? 0x202n : 0x2n);
      b.add('popf', instruction({ ...plain, opcode: [0x9d], size }), { memory: [[STACK_TOP - DATA_PAGE, bytesOf(image, 8)]] });
    }
    for (const level of [0, 0, 1, 2, 3, 31, 32, 33]) {
      b.add('enter', instruction({ ...plain, opcode: [0xc8], size, imm: [...bytesOf(b.chance.pick([0, 8, 0x40, 0x123]), 2), level] }), {
        registers: new Map([[5, BigInt(DATA_PAGE + 0xa00)]]),
        pattern: 3,
      });
    }
    for (let i = 0; i < 4; i++)
      b.add('leave', instruction({ ...plain, opcode: [0xc9], size }), {
        registers: new Map([[5, BigInt(DATA_PAGE + 0x300 + b.chance.below(0x400))]]),
        pattern: 2,
      });
    if (b.long) continue;
    for (let i = 0; i < 4; i++) {
      const registers = new Map([0, 1, 2, 3, 5, 6, 7].map((n) => [n, b.value(32)]));
      b.add('pusha', instruction({ ...plain, opcode: [0x60], size }), { registers });
      b.add('popa', instruction({ ...plain, opcode: [0x61], size }), { registers, pattern: 3 });
    }
  }
};
