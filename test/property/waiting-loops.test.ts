// Random loops: whenever translated code says that a loop only waits, single steps from there come back to the same place with the same registers, flags and memory.
// What never happens then is that a VP which makes progress is taken for one that waits.
import { deepEqual } from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { Left } from '../../daemon/machine/guest-exits.js';
import { KICKED } from '../../shared/layout/lp-context.js';
import { Slot } from '../../shared/layout/vp.js';
import type { BareProcessor } from '../rig/bare-processor.js';
import { toUser } from '../rig/bare-processor.js';
import { assembleCode, type CodeItem, littleEndian } from '../rig/code-bytes.js';
import { clearProgram, codeMemory, Program, programMachine } from '../rig/user-program.js';

/** RAX, RCX, RDX, RBX: those that have second bytes; RSI and RDI point to data. */
const REGISTERS = 4;
const WINDOW = 200;
/** Loops are run for so many cycles, and steps taken to come round once. */
const CYCLES = 20_000;
const STEPS_MAX = 400;

const byte = (n: number): string => littleEndian(n, 1);
const direct = (reg: number, rm: number): string => byte(0xc0 | (reg << 3) | rm);
/** ModR/M of [RDI + n]. */
const inData = (reg: number, displacement: number): string => byte(0x40 | (reg << 3) | 7) + byte(displacement);
interface Draw {
  readonly kind: number;
  readonly a: number;
  readonly b: number;
  readonly n: number;
}
/** Loads come often, stores seldom. */
const MAKERS: readonly ((d: Draw) => string)[] = [
  ({ a, n }) => `8b${inData(a, n & 31)}`,
  ({ a, n }) => `488b${inData(a, n & 31)}`,
  ({ a, n }) => `8a${inData(a, n & 31)}`,
  ({ a, n }) => `8a${inData(a | 4, n & 31)}`,
  ({ a, n }) => `668b${inData(a, n & 31)}`,
  ({ a, n }) => `0fb7${inData(a, n & 31)}`,
  ({ a, n }) => `0fbe${inData(a, n & 31)}`,
  ({ a, b }) => `89${direct(a, b)}`,
  ({ a, b }) => `88${direct(a | 4, b)}`,
  ({ a, b }) => `85${direct(a, b)}`,
  ({ a, n }) => `3b${inData(a, n & 31)}`,
  ({ b, n }) => `83${direct(7, b)}${byte(n)}`,
  ({ b, n }) => `83${direct(4, b)}${byte(n)}`,
  ({ a, n }) => `b8${littleEndian(n, 4)}`.replace('b8', byte(0xb8 | a)),
  ({ b, n }) => `0f${byte(0x90 | (n & 15))}${direct(0, b)}`,
  ({ a, b, n }) => `0f${byte(0x40 | (n & 15))}${direct(a, b)}`,
  ({ b, n }) => `c1${direct([4, 5, 7][n % 3], b)}${byte(n >> 2)}`,
  ({ a, b, n }) => `${byte(((n & 6) << 3) | 1)}${direct(a, b)}`,
  ({ b, n }) => `ff${direct(n & 1, b)}`,
  ({ b, n }) => `d1${direct(2 + (n & 1), b)}`,
  ({ a, n }) => `89${inData(a, 32 + (n & 15))}`,
  () => 'f390',
  () => '0faee8',
  ({ n }) => ['f8', 'f9', '9e', '9f'][n & 3],
];
const draw = fc.record({ kind: fc.nat(MAKERS.length - 1), a: fc.nat(REGISTERS - 1), b: fc.nat(REGISTERS - 1), n: fc.nat(255) });
const block = fc.record({
  instructions: fc.array(draw, { maxLength: 4 }),
  condition: fc.nat(15),
  targets: fc.tuple(fc.nat(9), fc.nat(9)),
});
const loop = fc.record({
  blocks: fc.array(block, { minLength: 1, maxLength: 4 }),
  data: fc.uint8Array({ minLength: 48, maxLength: 48 }),
  registers: fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { minLength: REGISTERS, maxLength: REGISTERS }),
});

const state = ({ views, vp, host }: BareProcessor) => {
  const slots = vp.base >>> 3;
  const flags = [Slot.FLAG_RESULT, Slot.FLAG_AUX].map((slot) => views.u64[slots + slot]);
  return { registers: [...views.u64.subarray(slots, slots + 17)], flags, data: [...views.u8.subarray(host(0x5000), host(0x5000) + 48)] };
};
type State = ReturnType<typeof state>;
const restore = (machine: BareProcessor, { registers, flags, data }: State): void => {
  const { views, vp, host } = machine;
  const slots = vp.base >>> 3;
  toUser(machine, 64);
  views.u64.set(registers, slots);
  views.u64[slots + Slot.FLAG_RESULT] = flags[0]!;
  views.u64[slots + Slot.FLAG_AUX] = flags[1]!;
  views.u8.set(data, host(0x5000));
  machine.halted = false;
  machine.processor.modeChanged();
};

test('a loop that is said to wait comes back to where it was, by single steps too', (t) => {
  const compiled = programMachine('hot');
  const stepped = programMachine('cold', false, { blockInstructions: 1 });
  const found: State[] = [];
  let waits = 0;
  compiled.waited = () => {
    found.push(state(compiled));
    compiled.views.i32[(compiled.processor.context.base >>> 2) + 0] = KICKED;
  };
  fc.assert(
    fc.property(loop, ({ blocks, data, registers }) => {
      const items = blocks.flatMap(({ instructions, condition, targets }, i): CodeItem[] => [
        { label: `${i}` },
        ...instructions.map((d) => MAKERS[d.kind]!(d)),
        `0f${byte(0x80 | condition)}`,
        { to: `${targets[0] % blocks.length}` },
        ...(targets[1] % 3 === 0 ? ['cc'] : ['e9', { to: `${targets[1] % blocks.length}` }]),
      ]);
      const { bytes } = assembleCode(Program.CODE, items);
      for (const machine of [compiled, stepped]) {
        clearProgram(machine);
        codeMemory(machine, Program.CODE).set(bytes);
      }
      const begin: State = {
        registers: [
          ...registers,
          BigInt(Program.STACK_TOP),
          0n,
          BigInt(Program.DATA),
          BigInt(Program.DATA),
          ...Array<bigint>(8).fill(0n),
          BigInt(Program.CODE),
        ],
        flags: [1n, 0n],
        data: [...data],
      };
      restore(compiled, begin);
      found.length = 0;
      compiled.processor.context.waitWindow = WINDOW;
      const { processor } = compiled;
      processor.run(CYCLES);
      processor.takeKick();
      const [wait] = found;
      if (wait === undefined) return;
      waits++;
      restore(stepped, wait);
      const { views, vp } = stepped;
      for (let steps = 0; steps < STEPS_MAX; steps++) {
        if (stepped.processor.run(0) !== Left.BUDGET || stepped.halted) throw new Error('it ends by itself');
        if (views.u64[(vp.base >>> 3) + Slot.RIP] === wait.registers[16]) {
          const after = state(stepped);
          if (JSON.stringify(shown(after)) === JSON.stringify(shown(wait))) return;
          deepEqual(shown(after), shown(wait));
        }
      }
      throw new Error('it does not come back');
    }),
    { numRuns: 3000 },
  );
  t.true(waits > 300, String(waits));
});

const shown = ({ registers, flags, data }: State) => ({ registers: registers.map(String), flags: flags.map(String), data: data.join() });
