// `npm run bench -- --suite code`: what translated code takes of the host's memory at the end of each workload, for each byte of guest code that it was made from.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { codeMemoryOf, perGuestByte } from '../../daemon/cli/code-memory.js';
import { packageRoot } from '../../daemon/root/package-root.js';
import type { Bits } from './engine.js';
import type { Workload } from './workloads.js';

export interface CodeRow {
  readonly workload: string;
  readonly guestBytes: number;
  /** Bytes a guest byte: records in the arena, blocks and templates, WebAssembly; and, not in the sum, V8's machine code, estimated. */
  readonly records: number;
  readonly metadata: number;
  readonly webAssembly: number;
  readonly held: number;
  readonly machineCode: number;
}

/** Of one run, by itself: all workloads at once when the name is a list. */
export const measureCode = (bits: Bits, { name, div }: Workload): CodeRow => {
  const image = join(packageRoot(), `configs/guests/bench/guest${bits}.elf`);
  const args = ['run', image, '--memory', '64M', '--timeout', '120', '--json', '--append', `run=${name} div=${div}`];
  const run = spawnSync(process.execPath, [join(packageRoot(), 'dist/daemon/cli/hvd.js'), ...args], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  if (run.status !== 0) throw new Error(`${name}: ${run.stderr.trim()}`);
  const { code } = (JSON.parse(run.stdout) as { partition: { code: Record<string, number> } }).partition;
  const memory = codeMemoryOf(code);
  const per = (bytes: number | undefined): number => perGuestByte(bytes ?? 0, memory);
  return {
    workload: name,
    guestBytes: memory.guestBytes,
    records: per(code.recordBytes),
    metadata: per(code.metadataBytes),
    webAssembly: per(code.unitBytes),
    held: per(memory.held),
    machineCode: per(memory.machineBytes),
  };
};

export const codeText = (rows: readonly CodeRow[]): string => {
  const numbers = (row: CodeRow): string =>
    [row.records, row.metadata, row.webAssembly, row.held, row.machineCode].map((n) => n.toFixed(1).padStart(11)).join('');
  const head = `${'workload'.padEnd(10)}${['guest bytes', 'records', 'metadata', 'WebAssembly', 'all held', "V8's code"].map((t) => t.padStart(11)).join('')}`;
  return [head, ...rows.map((row) => `${row.workload.padEnd(10)}${String(row.guestBytes).padStart(11)}${numbers(row)}`)].join('\n');
};
