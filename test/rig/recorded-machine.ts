// A machine that is recorded while a test acts on it, and what is done with the recording.

import { defaultMachine, readCosts } from '../../daemon/root/config/machine-file.js';
import { silentLog } from '../../daemon/root/log.js';
import { Machine } from '../../daemon/root/machine.js';
import { FrameReader, FrameWriter } from '../../daemon/root/record/frame-file.js';
import { Recorder } from '../../daemon/root/record/recorder.js';
import { checkFrame, RECORDING_FORMAT, type RecordingFrame } from '../../daemon/root/record/recording.js';
import { Replayer, type ReplayReport, type Until } from '../../daemon/root/record/replayer.js';
import { scanSnapshot } from '../../daemon/root/snapshot/scan.js';
import type { MachineConfig } from '../../shared/protocol/messages.js';

/** `snapshot`: it begins from that. */
export const recordMachine = async (
  file: string,
  changes: Partial<MachineConfig>,
  act: (machine: Machine) => Promise<void>,
  snapshot?: string,
): Promise<void> => {
  const restore = snapshot === undefined ? undefined : scanSnapshot(snapshot);
  const base = restore?.head.machine ?? defaultMachine();
  const config: MachineConfig = { ...base, pin: false, idle: 'skip', clock: 'deterministic', ...changes };
  const costs = restore?.head.costs ?? readCosts();
  const recorder = new Recorder({ file, what: 'machine', config, costs, embed: true, restore });
  const machine = await Machine.start({ config, log: silentLog(), recorder, restore });
  try {
    await act(machine);
  } finally {
    await machine.stop();
  }
};

export const replayFile = async (file: string, until?: Until, from?: string): Promise<ReplayReport> => {
  const replayer = await Replayer.start(file, silentLog(), until, undefined, from);
  try {
    return replayer.report(await replayer.finished);
  } finally {
    await replayer.stop();
  }
};

/** Another recording, of the frames for which `change` gives something. */
export const rewriteRecording = (
  from: string,
  to: string,
  change: (frame: RecordingFrame, index: number) => RecordingFrame | undefined,
): void => {
  const reader = new FrameReader(from, 'HVDR', RECORDING_FORMAT);
  const writer = new FrameWriter(to, 'HVDR', RECORDING_FORMAT);
  let index = 0;
  for (let at = 0, frame = reader.next(); frame !== undefined; at = reader.position, frame = reader.next()) {
    const changed = change(checkFrame(frame, from, at), index++);
    if (changed !== undefined) writer.write(changed);
  }
  reader.close();
  writer.close();
};
