// Binds the OS thread of each LP to one host core, round-robin: two LPs that spin on each other must not share a core by accident.
// Node has no affinity call; util-linux's taskset does it from outside, by thread id.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import type { LpBlock } from '../../shared/layout/machine.js';
import { reasonOf } from '../../shared/protocol/errors.js';

const run = promisify(execFile);
const TASKSET_LIMIT_MS = 5_000;

/** Host cores that this process may use, e.g. [0, 1]; empty when the host does not tell. */
export const allowedCores = (): number[] => {
  try {
    const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '';
    return parseCoreList(list);
  } catch {
    return [];
  }
};

/** `0-2,7` is [0, 1, 2, 7]. */
export const parseCoreList = (list: string): number[] =>
  list.split(',').flatMap((range) => {
    const match = /^(\d+)(?:-(\d+))?$/.exec(range);
    if (match === null) return [];
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);
  });

/** Pins `block`'s thread as LP number `lp`. Returns undefined when it is done, otherwise why it cannot be. */
export const pinLp = async (lp: number, block: LpBlock, cores: readonly number[]): Promise<string | undefined> => {
  if (cores.length === 0) return 'the host does not tell its cores';
  const thread = block.hostThread;
  if (thread === 0) return 'the host does not tell thread numbers';
  const core = cores[lp % cores.length]!;
  try {
    await run('taskset', ['-pc', String(core), String(thread)], { timeout: TASKSET_LIMIT_MS });
    block.hostCore = core;
    return undefined;
  } catch (error) {
    return `taskset: ${reasonOf(error).split('\n')[0]}`;
  }
};
