// The task of one LP's worker thread: piscina calls it once and it returns when the machine stops.
import { readlinkSync } from 'node:fs';
import { LpBlock, LpLayout, lpBlockAt } from '../../shared/layout/machine.js';
import type { LpBoot } from '../../shared/layout/mailbox.js';
import { viewsOf } from '../../shared/layout/struct.js';
import { LogicalProcessor } from './logical-processor.js';

/** Host thread id, by which root pins the thread to a core; 0 where the host has no /proc. */
const hostThread = (): number => {
  try {
    return Number(readlinkSync('/proc/thread-self').split('/').pop());
  } catch {
    return 0;
  }
};

export default (boot: LpBoot): void => {
  const block = new LpBlock(viewsOf(boot.machine), lpBlockAt(boot.lp));
  block.hostThread = hostThread();
  try {
    new LogicalProcessor(boot).run();
  } catch (error) {
    // Last words for root, which makes a machine check of it.
    const text = new TextEncoder().encode(error instanceof Error ? error.message : String(error));
    block.views.u8.set(text.subarray(0, LpLayout.fields.deathReason.bytes - 1), block.deathReason);
    throw error;
  }
};
