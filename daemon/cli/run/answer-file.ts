// A file that a run writes its answers to: opened before the guest starts, so that a name that will not do is said at once; a full disk later is said at the end.
import { closeSync, openSync, writeSync } from 'node:fs';
import { HvdError, reasonOf } from '../../../shared/protocol/errors.js';

/** Where a trace goes. */
export interface TraceSink {
  /** False: it has enough to do; the trace, and with it the guest, waits. */
  readonly isReady: boolean;
  write(bytes: Uint8Array): void;
}

/** Bytes that standard error may have waiting for a slow reader. */
const WAITING_MAX = 16 << 20;
export const standardError: TraceSink = {
  get isReady() {
    return process.stderr.writableLength < WAITING_MAX;
  },
  write: (bytes) => void process.stderr.write(bytes),
};

export class AnswerFile implements TraceSink {
  readonly isReady = true;
  readonly #fd: number;
  /** Why writing ended, if it did. */
  failure: string | undefined;

  constructor(option: string, file: string) {
    try {
      this.#fd = openSync(file, 'w');
    } catch (error) {
      throw new HvdError('usage', { what: `${option}: ${file} cannot be written: ${reasonOf(error)}` }, error);
    }
  }

  write(bytes: Uint8Array): void {
    if (this.failure !== undefined) return;
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at);
    } catch (error) {
      this.failure = reasonOf(error);
    }
  }
  close(): void {
    closeSync(this.#fd);
  }
}
