// Stack samples: every retired instruction belongs to one, frames are followed as far as they are frames, whatever the guest keeps in RBP.
import test from 'ava';
import { StackSampler } from '../../daemon/machine/stack-sampler.js';
import { Slot } from '../../shared/layout/vp.js';
import { assembleCode, type CodeItem } from '../rig/code-bytes.js';
import { clearProgram, codeMemory, Program, programMachine, runProgram } from '../rig/user-program.js';

const { RCX, RBP } = Slot;
const at = (label: string): CodeItem => ({ label });
const call = (label: string): CodeItem[] => ['e8', { to: label }];
const FRAME = '554889e5'; // push rbp; mov rbp, rsp
const LEAVE = '5dc3'; // pop rbp; ret

const sampled = (tiers: 'cold' | 'hot', items: readonly CodeItem[], registers: Readonly<Record<number, bigint | number>>) => {
  const stacks = new StackSampler(50);
  const machine = programMachine(tiers, false, { stacks });
  clearProgram(machine);
  const code = assembleCode(Program.CODE, items);
  codeMemory(machine, Program.CODE).set(code.bytes);
  const { retired } = runProgram(machine, Program.CODE, registers);
  stacks.settle();
  const lines = [...stacks.stacks].map(([key, weight]) => ({ frames: key.split(',').map(Number), weight }));
  return { at: code.at, retired, lines };
};

for (const tiers of ['cold', 'hot'] as const) {
  test(`callers are found through frame pointers (${tiers})`, (t) => {
    const run = sampled(
      tiers,
      [
        ...[...call('outer'), 'cc', at('outer'), FRAME, ...call('inner'), at('back'), LEAVE],
        ...[at('inner'), FRAME, at('loop'), 'ffc9', '75fc', LEAVE, at('end')],
      ],
      { [RCX]: 4000 },
    );
    t.is(
      run.lines.reduce((sum, line) => sum + line.weight, 0),
      run.retired,
    );
    const inner = run.lines.filter(({ frames }) => frames[0] >= run.at.loop && frames[0] < run.at.end);
    t.true(inner.length > 0);
    for (const { frames } of inner) t.deepEqual(frames.slice(1), [run.at.back, Program.CODE + 5]);
    t.true(inner.reduce((sum, line) => sum + line.weight, 0) > run.retired * 0.9);
  });

  test(`a frame pointer that is none gives flat samples (${tiers})`, (t) => {
    const loop = ['ffc9', '75fc', 'cc'];
    for (const rbp of [
      0,
      0x1234,
      Program.DATA,
      Program.CODE,
      -8,
      2 ** 47 - 4,
      -(2 ** 47),
      0x7fff_ffff_ffff_ffffn,
      0x8000_0000_0000_0000n,
    ]) {
      const run = sampled(tiers, loop, { [RCX]: 1000, [RBP]: rbp });
      for (const { frames } of run.lines) t.is(frames.length, 1, String(rbp));
      t.is(
        run.lines.reduce((sum, line) => sum + line.weight, 0),
        run.retired,
      );
    }
  });
}

test('frames that lead in a circle, or on for ever, end', (t) => {
  const stacks = new StackSampler(10);
  const machine = programMachine('cold', false, { stacks });
  clearProgram(machine);
  // call next; loop: dec ecx; jnz loop; int3
  codeMemory(machine, Program.CODE).set(assembleCode(Program.CODE, ['e800000000', 'ffc9', '75fc', 'cc']).bytes);
  const data = machine.host(machine.pages.get(Program.DATA / 4096)!.gfn * 4096);
  const link = (from: number, caller: number): void => {
    machine.views.u64[(data + from) >>> 3] = BigInt(Program.DATA + caller);
    machine.views.u64[(data + from + 8) >>> 3] = BigInt(Program.CODE + 5);
  };
  link(0, 0);
  runProgram(machine, Program.CODE, { [RCX]: 100, [RBP]: Program.DATA });
  for (let i = 0; i < 200; i++) link(i * 16, (i + 1) * 16);
  runProgram(machine, Program.CODE, { [RCX]: 100, [RBP]: Program.DATA });
  const depths = new Set([...stacks.stacks.keys()].map((key) => key.split(',').length));
  t.true(depths.has(2));
  t.true(Math.max(...depths) <= 64);
  t.true(depths.has(64));
});
