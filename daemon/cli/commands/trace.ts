// hvd trace: what the LPs do, as a file that ui.perfetto.dev and chrome://tracing show.
import type { Command } from 'commander';
import type { HvdClient } from '../../../shared/client/client.js';
import { HvdError } from '../../../shared/protocol/errors.js';
import type { TraceFrame } from '../../../shared/protocol/messages.js';
import { positive } from '../options.js';
import { formatCount, printLine } from '../output.js';
import { AnswerFile } from '../run/answer-file.js';
import { onSignal } from '../signals.js';
import { TraceDocument } from '../trace/trace-document.js';
import { TraceOrder } from '../trace/trace-order.js';
import { type ClientFlags, socketOption, withDaemon } from '../with-daemon.js';

interface TraceFlags extends ClientFlags {
  readonly output: string;
  readonly seconds?: string;
  readonly cycles?: string;
  readonly partition?: string;
}

/** Text that waits to be written. */
const CHUNK = 1 << 18;

export const addTrace = (program: Command): void => {
  socketOption(program.command('trace'))
    .description('write what LPs do into a file for ui.perfetto.dev: slices of VPs, intercepts, interrupts, waits, spins')
    .requiredOption('-o, --output <file>', 'the file')
    .option('--seconds <n>', 'for so long by the clock of the host (without this and --cycles: until Ctrl-C)')
    .option('--cycles <n>', 'for so many cycles of the machine')
    .option('--partition <name>', 'only what concerns this partition')
    .action(async (flags: TraceFlags) => {
      const seconds = positive('--seconds', flags.seconds);
      const cycles = positive('--cycles', flags.cycles);
      if (seconds !== undefined && cycles !== undefined) throw new HvdError('usage', { what: '--seconds and --cycles: give one of them' });
      if (cycles !== undefined && !Number.isSafeInteger(cycles)) throw new HvdError('usage', { what: '--cycles: expected a whole number' });
      const file = new AnswerFile('--output', flags.output);
      try {
        await withDaemon(flags, (hvd) => trace(hvd, file, seconds, cycles, flags));
      } finally {
        file.close();
      }
    });
};

const trace = async (
  hvd: HvdClient,
  file: AnswerFile,
  seconds: number | undefined,
  cycles: number | undefined,
  { partition, output }: TraceFlags,
): Promise<void> => {
  if (partition !== undefined && !(await hvd.request('vm.list', {})).some(({ name }) => name === partition))
    throw new HvdError('vm.unknown', { name: partition });
  let text = '';
  const write = (): void => {
    file.write(Buffer.from(text));
    text = '';
  };
  const frames: TraceFrame[] = [];
  let take = (frame: TraceFrame): void => void frames.push(frame);
  hvd.on('trace', (frame) => take(frame));
  const machine = await hvd.request('trace', { on: true });
  const limit = machine.start + (cycles ?? Number.POSITIVE_INFINITY);
  const order = new TraceOrder();
  const document = new TraceDocument(
    machine,
    (line) => {
      text += line;
    },
    partition,
  );
  write();
  const why = await new Promise<string>((resolve) => {
    const forget = onSignal(() => end('interrupted'));
    const timer = seconds === undefined ? undefined : setTimeout(() => end('seconds'), seconds * 1000);
    const end = (reason: string): void => {
      clearTimeout(timer);
      forget();
      resolve(reason);
    };
    take = (frame) => {
      document.names(frame.partitions);
      document.policies(frame.policies);
      document.lost += frame.lost;
      order.add(frame.records);
      for (const told of order.take(Math.min(frame.reached, limit))) document.add(told);
      if (text.length > CHUNK) write();
      if (file.failure !== undefined) end('unwritable');
      else if (frame.reached >= limit) end('cycles');
    };
    for (const frame of frames) take(frame);
    hvd.on('closed', () => end('daemon gone'));
  });
  take = () => {};
  // What began before the limit and ended after it is cut off there.
  for (const told of order.take(Number.POSITIVE_INFINITY))
    if (told.clock <= limit) document.add(told);
    else if (told.began < limit) document.add({ ...told, clock: limit, b: Math.min(told.b, limit - told.began) });
  document.finish(why);
  write();
  if (file.failure !== undefined) throw new HvdError('usage', { what: `--output: ${output}: ${file.failure}` });
  if (why === 'daemon gone') throw new HvdError('daemon.gone');
  printLine(`${output}: ${formatCount(document.events)} events, ${formatCount(document.lost)} records lost`);
};
