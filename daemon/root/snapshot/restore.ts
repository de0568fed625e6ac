// Sets a machine up as a snapshot has it. Its LPs are up and await nothing; at the gate in `deterministic` mode.
// Memory is written twice: before LPs attach, who look at what a partition is, and after, for their parts begin by clearing what is theirs. The words of the machine come
// last, for among them are those by which an LP knows that it is its turn.
import { inflateRawSync } from 'node:zlib';
import { DebugBlock } from '../../../shared/layout/debug.js';
import { debugAt } from '../../../shared/layout/machine.js';
import { PartitionMap } from '../../../shared/layout/partition.js';
import { HvdError } from '../../../shared/protocol/errors.js';
import { crashesOf } from '../crash-report.js';
import type { Machine } from '../machine.js';
import { PIECE } from '../record/frame-file.js';
import { firstDifference, stateDigest } from '../record/state-digest.js';
import { writeMachineFields } from './machine-words.js';
import { clearPages, hostRanges, PAGE, usedTables } from './memory-pages.js';
import { pagesOf, type SnapshotScan, snapshotFrames } from './scan.js';
import { HOST_SLOT } from './snapshot-file.js';

/** Throws snapshot.*: the machine is to be given up then. */
export const restoreSnapshot = async (machine: Machine, scan: SnapshotScan): Promise<void> => {
  const { memory, partitions, networks, workers } = machine;
  const { file, head, end } = scan;
  for (const partition of scan.partitions) {
    const { slot, config, bytes, image, initrd } = partition;
    const files = { image: scan.images.get(image)!, initrd: initrd === undefined ? undefined : scan.images.get(initrd) };
    const made = await partitions.restore({ slot, config, bytes, files }, async (body, backEnds) => {
      writePages(scan, slot, body.views.u8, 0);
      for (const { frame } of snapshotFrames(file))
        if (frame.t === 'sectors' && frame.slot === slot)
          await backEnds.disks.get(frame.device)?.write(frame.at, inflateRawSync(frame.data, { maxOutputLength: PIECE }));
    });
    made.pendingLoads = [...partition.pendingLoads];
    made.reportedState = made.body.state;
    made.reportedCrashes = crashesOf(made.body.views);
  }
  for (const [lp, saved] of scan.lps.entries()) {
    const mismatch = await workers.restore(lp, saved);
    if (mismatch !== undefined) throw new HvdError('snapshot.field', { file, field: `LP ${lp}.${mismatch.field}`, why: mismatch.why });
  }
  for (const { slot, body } of partitions.all) {
    const { buffer } = body.memory;
    clearPages(buffer, usedTables(buffer, head.machine.lps));
    writePages(scan, slot, body.views.u8, 0, PartitionMap.RAM);
  }
  clearPages(memory.host.buffer, hostRanges(head.machine.lps, memory.host.buffer));
  writePages(scan, HOST_SLOT, new Uint8Array(memory.host.buffer), 0);
  for (const { backEnds, body } of partitions.all) backEnds?.begin(body);
  for (const saved of scan.switches) {
    const network = networks.get(saved.name);
    if (network !== undefined) network.saved = saved;
  }
  if (scan.isOtherBuild) for (const lp of memory.lps.keys()) await workers.dropCode(lp);
  // In `realtime` the guests' clocks go on from where they were.
  const debug = new DebugBlock(memory.views, debugAt(memory.lps.length));
  debug.stoodMicrosNum = Math.round((performance.timeOrigin + performance.now() - head.hostMs) * 1000);
  writeMachineFields(memory, scan.fields);
  const difference = firstDifference(end.state, stateDigest(memory, partitions.all, end.turn));
  if (difference !== undefined)
    throw new HvdError('snapshot.state', { file, field: difference.name, expected: difference.expected, found: difference.found });
};

/** Pages of the slot between the two addresses. */
const writePages = ({ file }: SnapshotScan, slot: number, memory: Uint8Array, from: number, to = Number.POSITIVE_INFINITY): void => {
  for (const { frame } of snapshotFrames(file)) {
    if (frame.t !== 'pages' || frame.slot !== slot) continue;
    const wanted = (page: number): boolean => page * PAGE >= from && page * PAGE < to;
    if (!frame.pages.some(wanted)) continue;
    const bytes = pagesOf(frame);
    for (const [n, page] of frame.pages.entries()) if (wanted(page)) memory.set(bytes.subarray(n * PAGE, (n + 1) * PAGE), page * PAGE);
  }
};
