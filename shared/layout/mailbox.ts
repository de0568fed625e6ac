// The command mailbox of an LP and what a new LP worker is told: the only ways in which root speaks to an LP.
// Why a mailbox in memory: an LP never returns to its event loop, so it cannot be called; it looks at one word when its doorbell rings.
//
//   mailSequence even: empty. Root stores mailCommand and mailArgs, adds 1 (odd: command present), rings the doorbell and kicks.
//   The LP carries the command out, adds 1 (even) and notifies mailSequence. A message on the control port belongs to the command and was posted before it.
//
// Pausing needs no command: root stores the partition's state, rings every LP, and waits until no LP's `current` names the slot. An LP therefore stores
// `current` before it looks at the state (both seq-cst), and takes it back when the partition is not running.
import type { MessagePort } from 'node:worker_threads';
import type { Mismatch } from '../kit/saved.js';
import { type LpBlock, LpLayout } from './machine.js';
import type { Observe } from './observation.js';

/** Partitions that one machine can hold; a slot number names one to the LPs. */
export const PARTITION_SLOTS = 16;

export const MailCommand = {
  NONE: 0,
  /** args[0] = slot; an AttachMessage waits on the port. The LP builds its views and units; the VPs whose `lp` is this LP are in its queue. */
  ATTACH: 1,
  /** args[0] = slot. The LP is not running it any more when it answers, and has dropped every reference to its memory (and collected garbage: see collect-garbage). */
  DETACH: 2,
  /** The LP answers, then returns from its task. */
  STOP: 3,
  /** args[0] = slot. What stands in the partition's SynicHeader is carried out (shared/hyperv/partition-ports). */
  PORTS: 4,
  /** args: a job order (layout/job-order), which the LP writes to the job area of the partition's guest. */
  JOB: 5,
  /** The LP answers with a SaveMessage on the port. Where no partition runs, or at the gate. */
  SAVE: 6,
  /** A RestoreMessage waits on the port; a RestoredMessage comes back. All partitions are attached, and none of their VPs runs before the turn words are set. */
  RESTORE: 7,
} as const;

/** What root posts on the control port for ATTACH. */
export interface AttachMessage {
  readonly slot: number;
  readonly memory: WebAssembly.Memory;
  readonly name: string;
  readonly observe?: Observe | undefined;
}

/** What the LP knows beside what is in memory (shared/kit/saved). */
export interface SaveMessage {
  readonly saved: unknown;
}
export interface RestoreMessage {
  /** Absent: what has been translated is given up, and there is no answer on the port. */
  readonly saved?: unknown;
}
export interface RestoredMessage {
  /** What does not fit: nothing was taken up. */
  readonly mismatch: Mismatch | undefined;
}

/** Settings of an LP that do not change while the machine runs; the rest is in the machine header. */
export interface LpConfig {
  /** Virtual cycles by cost name (configs/costs.yaml). */
  readonly costs: Readonly<Record<string, number>>;
  /** True: when every VP is idle virtual time waits for the host's clock; false: it is skipped to the next timer. */
  readonly paceIdle: boolean;
  /** Where a recording of the events is made or played (event-tape). */
  readonly tape?: SharedArrayBuffer | undefined;
}

/** The argument of an LP's task. The task resolves after STOP; anything else that ends it is a machine check. */
export interface LpBoot {
  readonly lp: number;
  readonly machine: SharedArrayBuffer;
  /** Host memory (layout/host-memory). */
  readonly host: WebAssembly.Memory;
  readonly control: MessagePort;
  readonly config: LpConfig;
}

/** Element indexes (i32) of one LP's mailbox in machine memory. */
export const mailIndexes = (block: LpBlock): { sequence: number; command: number; args: number } => ({
  sequence: (block.base + LpLayout.at.mailSequence) >>> 2,
  command: (block.base + LpLayout.at.mailCommand) >>> 2,
  args: block.mailArgs >>> 2,
});
