// `hvd run --trace-insns`: the guest one instruction at a time, as the account of the same guest run in blocks has it; bounded, and the same twice.
import { readFileSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { packageRoot } from '../../daemon/root/package-root.js';
import { hvd } from '../rig/hvd-process.js';

const BENCH = join(packageRoot(), 'configs/guests/bench/guest64.elf');
const run = (append: string, ...flags: readonly string[]) =>
  hvd('run', BENCH, '--memory', '64M', '--clock', 'deterministic', '--append', append, ...flags);
/** VP, RIP, bytes, mnemonic (without prefixes), what changed. */
const LINE = /^(\d+) ([0-9a-f]{16}) {2}((?:[0-9a-f]{2} )*[0-9a-f]{2}) +(?:(?:lock|rep|repe|repne|notrack) )*(\S+)(.*)$/;
const traceFile = (name: string): string => join(tmpdir(), `hvd-trace-${process.pid}-${name}`);

test.serial('single steps and counted blocks agree about every mnemonic', async (t) => {
  t.timeout(300_000);
  const file = traceFile('all');
  const append = 'run=smc,int,cpuid,xadd1 div=40000';
  const counted = JSON.parse((await run(append, '--json', '--count')).stdout);
  const flags = [`--trace-insns=${file}`, '--trace-from', 'run_cpuid', '--trace-limit', '1000000'];
  const stepped = JSON.parse((await run(append, '--json', '--count', ...flags)).stdout);
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  unlinkSync(file);
  t.true(lines.length > 40_000);
  t.deepEqual(stepped.trace, { traced: lines.length, lost: 0 });
  // A block that writes to the debug-exit port goes on to its end, a lone OUT does not: that is where the guest says NOP, CLI, HLT.
  // The ticks that it prints differ by a few, and with them the steps of their division.
  const { nop: _nop, cli: _cli, hlt: _hlt, or: _or, sub: _sub, ...expected } = counted.count.mnemonics;
  t.like(stepped.count.mnemonics, expected);
  const ticks = / \d+ (\d+)$/gm;
  t.is(stepped.console.replace(ticks, ' $1'), counted.console.replace(ticks, ' $1'));
  const seen: Record<string, number> = {};
  for (const line of lines) {
    const mnemonic = LINE.exec(line)?.[4] ?? `no line: ${line}`;
    seen[mnemonic] = (seen[mnemonic] ?? 0) + 1;
  }
  // What the guest does nowhere else than behind that point has been seen every time.
  for (const mnemonic of ['xadd', 'iretq', 'int']) t.is(seen[mnemonic], counted.count.mnemonics[mnemonic], mnemonic);
});

test.serial('a trace begins where it is told and ends at its limit, and the guest goes on', async (t) => {
  t.timeout(300_000);
  const ended = await run('run=crc div=4000', '--trace-insns', '--trace-from', 'run_crc', '--trace-limit', '40');
  t.is(ended.status, 0);
  t.regex(ended.stdout, /^E crc ef5ea6d4 .*\nDONE/m);
  const lines = ended.stderr.trimEnd().split('\n');
  t.is(lines.length, 41);
  t.is(lines.pop(), 'hvd: the trace ends at its limit of 40 instructions (--trace-limit)');
  for (const line of lines) t.regex(line, LINE);
  const [first, second] = lines.map((line) => LINE.exec(line)!);
  t.is(first![4], 'mov');
  t.true(Number.parseInt(second![2]!, 16) === Number.parseInt(first![2]!, 16) + first![3]!.split(' ').length);
  const all = await run(
    'run=crc div=4000',
    '--trace-insns',
    '--trace-from',
    `0x${first![2]}`,
    '--trace-limit',
    '3',
    '--trace-registers',
    'all',
  );
  t.regex(all.stderr.split('\n')[0]!, / rax=[0-9a-f]{16} .* r15=[0-9a-f]{16} flags=[0-9a-f]{8}$/);
  const floats = await run('run=fpsse div=4000', '--trace-insns', '--trace-from', 'run_fpsse', '--trace-limit', '100');
  t.regex(floats.stderr, / (mulsd|addsd) xmm\d+, xmm\d+ +.*xmm\d+=[0-9a-f]{32}$/m);
  for (const flags of [
    ['--trace-limit', '0'],
    ['--trace-limit', 'many'],
    ['--trace-from', 'nowhere'],
    ['--trace-registers', 'some'],
  ])
    t.true((await run('run=crc', '--trace-insns', ...flags)).status! > 0);
});

test.serial('two processors trace the same lines twice under the deterministic clock', async (t) => {
  t.timeout(300_000);
  const image = join(packageRoot(), 'configs/guests/images/workload64.elf');
  const traces: string[] = [];
  for (const name of ['a', 'b']) {
    const file = traceFile(name);
    const flags = ['--vps', '2', '--lps', '2', '--memory', '64M', '--clock', 'deterministic', '--debug-exit', '--trace-limit', '6000'];
    const ended = await hvd(
      'run',
      image,
      ...flags,
      '--append',
      'job=ipi milliseconds=5',
      `--trace-insns=${file}`,
      '--trace-from',
      'processor_main',
    );
    t.regex(ended.stdout, /DONE errors=0/, ended.stderr);
    traces.push(readFileSync(file, 'utf8'));
    unlinkSync(file);
  }
  t.is(traces[0], traces[1]);
  t.true(traces[0]!.split('\n').length > 1000);
  t.regex(traces[0]!, /^1 /m);
});
