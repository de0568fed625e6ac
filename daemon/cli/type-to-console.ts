// What somebody types, or a command sends, on its way to a guest's console.
import { setTimeout as sleep } from 'node:timers/promises';
import type { HvdClient } from '../../shared/client/client.js';
import { HvdError } from '../../shared/protocol/errors.js';

const FULL_PAUSE_MS = 20;
/** Well below the limit of one request. */
const INPUT_PIECE = 256;

/** The guest takes input at its own pace: a full queue is waited for while `goesOn`. */
export const type = async (hvd: HvdClient, name: string, bytes: Uint8Array, goesOn = () => true): Promise<void> => {
  for (let at = 0; at < bytes.length && goesOn(); ) {
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
