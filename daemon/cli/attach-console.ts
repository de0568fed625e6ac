// A partition's COM1 on this terminal: output as it comes, keys as they are typed.
import { setTimeout as sleep } from 'node:timers/promises';
import type { HvdClient } from '../../shared/client/client.js';
import { HvdError } from '../../shared/protocol/errors.js';

const POLL_MS = 50;
const FULL_PAUSE_MS = 20;
/** Ctrl-]: telnet's escape, seldom meant for a guest. */
const LEAVE_KEY = 0x1d;
/** Well below the limit of one request. */
const INPUT_PIECE = 256;

export interface ConsoleFlags {
  readonly follow: boolean;
  readonly send: string | undefined;
}

export const attachConsole = async (hvd: HvdClient, name: string, { follow, send }: ConsoleFlags): Promise<void> => {
  const interactive = process.stdin.isTTY && process.stdout.isTTY;
  if (send !== undefined) await type(hvd, name, Buffer.from(send.replaceAll('\\n', '\r')));
  let position = await show(hvd, name, 0);
  if (!interactive && !follow) return;
  let leaving = false;
  let typing = Promise.resolve();
  const onKeys = (keys: Buffer): void => {
    const leave = keys.indexOf(LEAVE_KEY);
    if (leave >= 0) leaving = true;
    const meant = leave >= 0 ? keys.subarray(0, leave) : keys;
    typing = typing
      .then(() => type(hvd, name, meant))
      .catch(() => {
        leaving = true;
      });
  };
  if (interactive) {
    process.stdin.setRawMode(true);
    process.stdin.on('data', onKeys);
  }
  try {
    while (!leaving && !hvd.closed) {
      await sleep(POLL_MS);
      position = await show(hvd, name, position);
    }
    await typing;
  } finally {
    if (interactive) {
      process.stdin.off('data', onKeys);
      process.stdin.setRawMode(false);
      process.stdin.pause();
      process.stdout.write('\n');
    }
  }
};

const show = async (hvd: HvdClient, name: string, position: number): Promise<number> => {
  const { data, position: next } = await hvd.request('vm.console.read', { name, position });
  if (data.length > 0) process.stdout.write(data);
  return next;
};

// The guest takes input at the pace of its serial port: a full queue is waited for.
const type = async (hvd: HvdClient, name: string, bytes: Buffer): Promise<void> => {
  for (let at = 0; at < bytes.length; ) {
    const data = bytes.subarray(at, at + INPUT_PIECE);
    try {
      await hvd.request('vm.console.write', { name, data });
      at += data.length;
    } catch (error) {
      if (!(error instanceof HvdError && error.code === 'vm.console-full')) throw error;
      await sleep(FULL_PAUSE_MS);
    }
  }
};
