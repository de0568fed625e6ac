// The load scripts that clients play on this machine, as they tell of them: each until its client is gone, and of those that have ended the last.
import { HvdError } from '../../shared/protocol/errors.js';
import type { ScriptProgress } from '../../shared/protocol/script-progress.js';

/** That are told of at a time: each is in every sample. */
export const SCRIPTS_MAX = 8;

export class Scripts {
  /** By the connection that plays it. */
  readonly #running = new Map<object, ScriptProgress>();
  #last: ScriptProgress | undefined;

  /** Those that run, and the last one that has ended. */
  get list(): readonly ScriptProgress[] {
    return this.#last === undefined ? [...this.#running.values()] : [...this.#running.values(), this.#last];
  }

  /** Throws script.many. */
  tell(client: object, progress: ScriptProgress): void {
    if (progress.state !== 'running') {
      this.#running.delete(client);
      this.#last = progress;
      return;
    }
    if (!this.#running.has(client) && this.#running.size >= SCRIPTS_MAX) throw new HvdError('script.many', { limit: SCRIPTS_MAX });
    this.#running.set(client, progress);
    if (this.#last?.name === progress.name) this.#last = undefined;
  }

  /** The connection has ended, with or without a word. */
  leave(client: object): void {
    const progress = this.#running.get(client);
    if (progress !== undefined) this.tell(client, { ...progress, state: 'stopped' });
  }
}
