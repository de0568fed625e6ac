// Builds the native program of the bench workloads (native/main.c and the guests' own sources) with the host's gcc, once for each width.
// Why the guest's flags: what is compared is the same machine code, on the processor and on the simulated one.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../daemon/root/package-root.js';

export const NATIVE_WORKLOADS: readonly string[] = [
  ...['crc', 'sieve', 'dhry', 'matmul', 'movs', 'stos', 'qsort', 'fpsse', 'fpx87', 'fresh', 'cold1', 'cold50', 'smc', 'xadd1', 'tick1'],
  ...['xadd2', 'tick2', 'ping', 'pcrc'],
];

const STEADY = [
  ...['-std=gnu11', '-O2', '-fno-stack-protector', '-fno-tree-vectorize', '-fno-tree-slp-vectorize', '-fno-tree-loop-distribute-patterns'],
  ...['-fcf-protection=none', '-mstringop-strategy=unrolled_loop', '-no-pie', '-fno-pie', '-pthread'],
];
const WIDTH = { 32: ['-m32', '-march=i686', '-msse2'], 64: ['-m64', '-DLONG'] } as const;

const OUT = join(packageRoot(), 'dist/test/bench');
const SOURCES = join(packageRoot(), 'configs/guests/bench');
const MAIN = join(packageRoot(), 'test/bench/native/main.c');
export const nativeProgram = (bits: 32 | 64): string => join(OUT, `native${bits}`);

/** Why there is no native program of the width, or undefined: then it has been built. */
export const buildNative = (bits: 32 | 64): string | undefined => {
  if (spawnSync('gcc', ['--version']).status !== 0) return 'gcc is not installed';
  const program = nativeProgram(bits);
  if (isCurrent(program)) return undefined;
  mkdirSync(OUT, { recursive: true });
  const compile = (source: string, name: string, ...flags: readonly string[]): string => {
    const object = join(OUT, `${name}${bits}.o`);
    const include = ['-I', SOURCES, '-I', join(SOURCES, '../include')];
    execFileSync('gcc', [...STEADY, ...WIDTH[bits], ...flags, ...include, '-c', source, '-o', object], { stdio: 'pipe' });
    return object;
  };
  try {
    const objects = [
      compile(MAIN, 'native'),
      ...['integer', 'dhry', 'code'].map((name) => compile(join(SOURCES, `${name}.c`), name)),
      // The guest wakes its second processor by INIT and SIPI; here that is the other file's thread.
      compile(join(SOURCES, 'processors.c'), 'processors', '-Dsecond_processor_start=wake_by_apic'),
      compile(join(SOURCES, 'floating.c'), 'sse', '-DRUN=run_fpsse', '-mfpmath=sse'),
      compile(join(SOURCES, 'floating.c'), 'x87', '-DRUN=run_fpx87', '-mfpmath=387'),
    ];
    execFileSync('gcc', [...STEADY, ...WIDTH[bits], ...objects, '-o', program], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    const { stderr } = error as { stderr?: Buffer };
    return `gcc cannot build it: ${stderr?.toString().trim().split('\n')[0] ?? String(error)}`;
  }
};

const isCurrent = (program: string): boolean => {
  if (!existsSync(program)) return false;
  const built = statSync(program).mtimeMs;
  return [MAIN, ...readdirSync(SOURCES).map((file) => join(SOURCES, file))].every((file) => statSync(file).mtimeMs < built);
};
