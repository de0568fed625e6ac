// The same machine straight through, with snapshots on the way, and from each of these on.
import { defaultMachine } from '../../daemon/root/config/machine-file.js';
import { readConsole } from '../../daemon/root/console.js';
import { silentLog } from '../../daemon/root/log.js';
import { Machine } from '../../daemon/root/machine.js';
import { hostFileHash } from '../../daemon/root/record/file-hash.js';
import { FrameWriter } from '../../daemon/root/record/frame-file.js';
import { traceHash } from '../../daemon/root/record/hashes.js';
import { type StateDigest, stateDigest } from '../../daemon/root/record/state-digest.js';
import { scanSnapshot, snapshotFrames } from '../../daemon/root/snapshot/scan.js';
import { SNAPSHOT_FORMAT, type SnapshotFrame } from '../../daemon/root/snapshot/snapshot-file.js';
import { hasEnded } from '../../daemon/root/stats.js';
import { waitUntil } from '../../daemon/root/wait-until.js';
import type { MachineConfig, PartitionConfig } from '../../shared/protocol/messages.js';

const END_LIMIT_MS = 60_000;
const PIECE = 1 << 20;

/** What became of a machine whose guests have ended. */
export interface Outcome {
  readonly trace: string;
  readonly course: number;
  readonly clocks: readonly number[];
  readonly consoles: Readonly<Record<string, string>>;
  /** Of all of every partition. */
  readonly state: StateDigest;
}

const outcomeOf = (machine: Machine): Outcome => {
  const { memory, partitions, gate } = machine;
  const pieces = Math.max(...partitions.all.map(({ config }) => Math.ceil(config.memory / PIECE)));
  const digests = Array.from({ length: pieces }, (_, turn) => stateDigest(memory, partitions.all, turn));
  return {
    trace: traceHash(memory),
    course: gate.course,
    clocks: memory.lps.map(({ clockNum }) => clockNum),
    consoles: Object.fromEntries(
      partitions.all.map((partition) => [partition.name, Buffer.from(readConsole(partition, 0).bytes).toString('latin1')]),
    ),
    state: Object.assign({}, ...digests) as StateDigest,
  };
};

/** Runs it to the ends of its guests. */
export const ended = async (machine: Machine, limitMs = END_LIMIT_MS): Promise<Outcome> => {
  const { partitions } = machine;
  if (!(await waitUntil(() => partitions.all.every(({ body }) => hasEnded(body.state)), limitMs)))
    throw new Error(`no end: ${partitions.all.map(({ body }) => body.stateName).join()}`);
  for (const { name } of partitions.all) await partitions.settled(name);
  // Where they end is a place of the course, and so is where no LP awaits anything any more; what is between them is passed at the host's pace.
  for (;;) {
    const outcome = await machine.gate.look(({ lp }) => (lp < 0 ? outcomeOf(machine) : undefined));
    if (outcome !== undefined) return outcome;
  }
};

export const deterministic = (changes: Partial<MachineConfig>): MachineConfig => ({
  ...defaultMachine(),
  pin: false,
  idle: 'skip',
  clock: 'deterministic',
  ...changes,
});

/** Runs the guests to their ends. `at`: places of the course, rising, at which a snapshot is taken into the file of that index; `limitMs` of the host's time. */
export const runThrough = async (
  config: MachineConfig,
  guests: readonly PartitionConfig[],
  at: readonly number[] = [],
  fileOf: (index: number) => string = String,
  limitMs?: number,
  look: (machine: Machine) => void = () => undefined,
): Promise<Outcome> => {
  const machine = await Machine.start({ config, log: silentLog() });
  try {
    const { gate } = machine;
    gate.isExact = true;
    let index = 0;
    const next = (): void => gate.limit(at[index]);
    if (at.length > 0)
      gate.onLimit = async (place) => {
        if (index >= at.length || place.course < at[index]!) return 'unchanged';
        await machine.saveAt(place, fileOf(index));
        while (index < at.length && at[index]! <= place.course) index++;
        next();
        if (index === at.length) gate.onLimit = undefined;
        return 'unchanged';
      };
    next();
    // All in one stand: between two the guests would have gone on for as long as the host likes.
    await Promise.all(guests.map((guest) => machine.add(guest)));
    const outcome = await ended(machine, limitMs);
    look(machine);
    return outcome;
  } finally {
    await machine.stop();
  }
};

/** Goes on from a snapshot to the ends of the guests. `limitMs` of the host's time. */
export const goOn = async (file: string, limitMs?: number): Promise<Outcome> => {
  const restore = scanSnapshot(file);
  const machine = await Machine.start({ config: restore.head.machine, log: silentLog(), restore });
  try {
    machine.gate.isExact = true;
    return await ended(machine, limitMs);
  } finally {
    await machine.stop();
  }
};

/** Another snapshot, of other frames. Its end matches them. */
export const rewriteSnapshot = (from: string, to: string, change: (frame: SnapshotFrame) => SnapshotFrame): void => {
  const writer = new FrameWriter(to, 'HVDS', SNAPSHOT_FORMAT);
  for (const { frame } of snapshotFrames(from)) {
    const changed = change(frame);
    writer.write(changed.t === 'end' ? { ...changed, sha256: hostFileHash(to) } : changed);
  }
  writer.close();
};
