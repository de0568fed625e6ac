// hvd record: what `hvd run` or `hvd start` does, with a recording of its course.
import type { Command } from 'commander';
import { HvdError } from '../../../shared/protocol/errors.js';
import type { RunFlags } from '../run/run-command.js';
import type { StartFlags } from '../start/start-daemon.js';
import { guestOptions, OF_RESTORED } from './run.js';
import { daemonOptions, machineOptions, typedPin } from './start.js';

interface RecordFlags extends StartFlags, Omit<RunFlags, 'record'> {
  readonly output: string;
  /** False with --no-images. */
  readonly images: boolean;
}

export const addRecord = (program: Command): void => {
  const record = program.command('record [image]').description('as `hvd run IMAGE`, or as `hvd start`, and record the course');
  record.requiredOption('-o, --output <file>', 'the recording').option('--no-images', 'leave images and initial RAM disks out of it');
  const ofBoth = optionsOf(machineOptions(record));
  const ofGuest = optionsOf(guestOptions(record)).filter((name) => !ofBoth.includes(name));
  const ofDaemon = optionsOf(daemonOptions(record)).filter((name) => !ofBoth.includes(name) && !ofGuest.includes(name));
  record.action(async (image: string | undefined, given: RecordFlags, command: Command) => {
    const isTyped = (name: string): boolean => command.getOptionValueSource(name) === 'cli';
    const isNew = image !== undefined || given.bios !== undefined;
    const isRestored = given.restore !== undefined && !isNew;
    // A snapshot goes on in a daemon, unless something is asked for that `hvd run --restore` gives.
    const isRun = isNew || (isRestored && OF_RESTORED.some(isTyped));
    const notOfDaemon = ofDaemon.filter((name) => !(isRestored && name === 'restore'));
    const notOfGuest = ofGuest.filter((name) => !(isRestored && OF_RESTORED.includes(name)));
    const wrong = [...(isRun ? notOfDaemon : []), ...(isNew ? [] : notOfGuest)].find(isTyped);
    if (wrong !== undefined) {
      const isDaemons = isRun && ofDaemon.includes(wrong);
      const why = isNew
        ? 'not with an image'
        : !isRestored
          ? 'needs an image'
          : `not with --${dashed(isDaemons ? OF_RESTORED.find(isTyped)! : 'restore')}`;
      throw new HvdError('usage', { what: `--${dashed(wrong)}: ${why}` });
    }
    const flags = { clock: 'deterministic', ...given, record: { file: given.output, embed: given.images } };
    if (isRun) {
      const { runCommand } = await import('../run/run-command.js');
      process.exitCode = await runCommand(image, flags);
      return;
    }
    const { detach, foreground } = await import('../start/start-daemon.js');
    const typed = typedPin(flags, command);
    if (flags.detach === true) await detach(typed);
    else await foreground(typed);
  });
};

const optionsOf = (command: Command): string[] => command.options.map((option) => option.attributeName());
const dashed = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
