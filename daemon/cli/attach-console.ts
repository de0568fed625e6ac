// A partition's console: what it has said, as it comes, or on this terminal (console-terminal.ts).
import type { HvdClient } from '../../shared/client/client.js';
import { ConsoleTerminal } from './console-terminal.js';
import { type } from './type-to-console.js';

export interface ConsoleFlags {
  readonly follow?: boolean;
  readonly send?: string;
  /** Nothing that is typed goes to the guest. */
  readonly watch?: boolean;
  /** Takes the keyboard from whoever has it. */
  readonly force?: boolean;
}

/** Returns the exit status. */
export const attachConsole = async (hvd: HvdClient, name: string, flags: ConsoleFlags): Promise<number> => {
  const { follow = false, send, watch = false, force = false } = flags;
  if (send !== undefined) {
    if (force) await hvd.request('vm.console.attach', { name, write: true, force });
    await type(hvd, name, Buffer.from(send.replaceAll('\\n', '\r')));
  }
  if (process.stdin.isTTY && process.stdout.isTTY) return new ConsoleTerminal(hvd, name).run(!watch, force);
  if (follow) return followConsole(hvd, name);
  const { data } = await hvd.request('vm.console.read', { name, position: 0 });
  process.stdout.write(data);
  return 0;
};

const followConsole = async (hvd: HvdClient, name: string): Promise<number> => {
  const ended = new Promise<void>((resolve) => {
    hvd.on('closed', resolve);
    hvd.on('console', ({ data, state }) => {
      process.stdout.write(data);
      if (state === null) resolve();
    });
  });
  await hvd.request('vm.console.attach', { name });
  await ended;
  return 0;
};
