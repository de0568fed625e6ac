// hvd run: one image, one machine, COM1 on stdout, and an exit status that says how it went. Needs no daemon.
import { type Command, Option } from 'commander';
import { HvdError } from '../../../shared/protocol/errors.js';
import { deviceOptions } from '../device-flags.js';
import type { RunFlags } from '../run/run-command.js';
import { gdbBitsOption, machineOptions } from './start.js';

/** What only a machine for one guest has. */
export const guestOptions = (command: Command): Command =>
  deviceOptions(command)
    .option('--vps <n>', 'virtual processors (default: 1)')
    .option('--memory <size>', 'guest RAM (default: 256M)')
    .option('--cpu <model>', 'processor, e.g. x86-64-v2,+aes,-smap; everything that there is by default')
    .option('--hv <features>', 'Hyper-V interface, e.g. linux,-ref-tsc,spin-retries=100; presets: off, minimal, linux, all')
    .option('--bios <file>', 'in place of an image: boot as a PC does, by this ROM and from the first --disk')
    .option('--video-bios <file>', 'an option ROM for the VGA, which the BIOS runs')
    .option('--firmware-log <file>', 'what the BIOS says on its debug port goes there')
    .option('--append <text>', 'command line')
    .option('--initrd <file>', 'initial RAM disk')
    .addOption(
      new Option('--idle <how>', 'virtual time while all VPs idle (default: skip; pace with --net user)').choices(['skip', 'pace']),
    )
    .option('--policy <name=value...>', 'settings of policies, as `hvd policy list` names them')
    .option('--until <text>', 'end with status 0 when COM1 has said this')
    .option('--timeout <seconds>', "end with status 124 after this long of the host's time")
    .option('--run-for <seconds>', "end with status 124 after this long of the guest's own time")
    .option('--debug-exit', 'a write of v to port 0xf4 ends with status (v << 1) | 1')
    .option('--super-mode <which>', 'super-mode that its LPs must be in: auto (default), long, legacy')
    .option('--testdev', 'the devices that images of the kvm-unit-tests family look for')
    .option('--hash', 'print hashes of the trace and of the memory at the end')
    .option('--count', 'account of retired instructions, exits and translations at the end')
    .option('--profile [file]', 'hot functions and blocks at the end; folded stacks for flame graphs to the file')
    .option('--trace-insns [file]', 'one line an instruction, with the registers that changed, to standard error or the file')
    .option('--trace-from <where>', 'begin when this linear address or symbol is reached')
    .option('--trace-limit <n>', 'instructions traced at most (default: 10000)')
    .addOption(new Option('--trace-registers <which>', 'registers on a line').choices(['changed', 'all']))
    .option('--symbols <file>', 'symbols of the guest: an ELF file or a System.map (default: those of the image)')
    .option('--json', 'print one JSON object instead of the console');

/** What a debugger stores does not come through the gate, so a recording does without one. */
const gdbOptions = (command: Command): Command =>
  command
    .option('--gdb <where>', 'wait for GDB before the first instruction: a TCP port of this host, or the path of a Unix socket')
    .addOption(gdbBitsOption());

/** What can be said of a guest that is there already. */
export const OF_RESTORED = ['timeout', 'debugExit', 'hash', 'json'];

export const addRun = (program: Command): void => {
  const run = gdbOptions(guestOptions(machineOptions(program.command('run [image]')))).option(
    '--restore <snapshot>',
    'in place of an image: the machine of a snapshot, which has one guest, from there on',
  );
  run
    .description('run one image in a machine of its own, COM1 on stdout; the image is a file, or one of `hvd images`; or a --bios boots')
    .action(async (image: string | undefined, flags: RunFlags, command: Command) => {
      const given = [image, flags.restore, image === undefined ? flags.bios : undefined].filter((one) => one !== undefined).length;
      if (given !== 1)
        throw new HvdError('usage', {
          what:
            given === 0
              ? 'an image, --bios, or --restore, is needed'
              : `--restore: not with ${image === undefined ? 'a BIOS' : 'an image'}`,
        });
      const wrong = run.options.find(
        (option) =>
          flags.restore !== undefined &&
          !['restore', ...OF_RESTORED].includes(option.attributeName()) &&
          command.getOptionValueSource(option.attributeName()) === 'cli',
      );
      if (wrong !== undefined) throw new HvdError('usage', { what: `${wrong.long}: not with --restore, the snapshot has the machine` });
      const { runCommand } = await import('../run/run-command.js');
      process.exitCode = await runCommand(image, flags);
    });
};
