// What `hvd load run` tells while it plays: the daemon, and with it everybody who looks at the machine, and who sits at the terminal.
import type { HvdClient } from '../../../shared/client/client.js';
import { HvdError } from '../../../shared/protocol/errors.js';
import { type ScriptProgress, type ScriptState, scriptText } from '../../../shared/protocol/script-progress.js';
import { formatSeconds } from '../../lab/duration.js';
import { formatNumber } from '../../lab/report/numbers.js';
import type { Assertion, Listener, Stretch } from '../../lab/script/play.js';
import { ScriptTeller } from '../../lab/script/progress.js';
import type { Script } from '../../lab/script/script.js';
import type { Metrics } from '../../lab/window.js';
import { StatusLine } from '../status-line.js';

export const numberAt = (window: Metrics, name: string): number => (typeof window[name] === 'number' ? window[name] : 0);

export class ShownProgress implements Listener {
  readonly #hvd: HvdClient;
  readonly #teller: ScriptTeller;
  /** Absent where nobody reads: with --json. */
  readonly #line: StatusLine | undefined;
  /** What is to be told once the daemon has heard what it is being told. */
  #next: ScriptProgress | undefined;
  #telling: Promise<void> | undefined;
  /** The daemon does not want to hear it. */
  #isDeaf = false;

  constructor(hvd: HvdClient, script: Script, frequencyHz: number, isShown: boolean) {
    this.#hvd = hvd;
    this.#line = isShown ? new StatusLine() : undefined;
    this.#teller = new ScriptTeller(script, frequencyHz, (progress) => {
      if (progress.state === 'running') this.#line?.show(`${progress.name}: ${scriptText(progress)}`);
      this.#next = progress;
      if (!this.#isDeaf) this.#telling ??= this.#tellOn();
    });
  }

  began(phase: string, step: number, steps: number): void {
    if (step === 0) this.#line?.say(`${phase}: begins${steps === 1 ? '' : `, ${steps} steps`}`);
    this.#teller.began(phase, step, steps);
  }
  ended({ phase, step, steps, window }: Stretch): void {
    const numberOf = (name: string): string => formatNumber(numberAt(window, name));
    this.#line?.say(
      `${phase}${steps === 1 ? '' : ` ${step + 1}/${steps}`}: ${formatSeconds(numberAt(window, 'seconds'))}, ${numberOf('operations')} operations (${numberOf('operationsPerSecond')} a second), ${numberOf('interceptCount')} intercepts, LPs ${Math.round(100 * numberAt(window, 'busy'))} % busy`,
    );
  }
  asserted(assertion: Assertion): void {
    const { phase, text, holds, why } = assertion;
    this.#line?.say(`${holds ? 'holds' : 'FAILS'}${phase === null ? '' : ` (${phase})`}: ${text}${why === undefined ? '' : `: ${why}`}`);
    this.#teller.asserted(assertion);
  }
  passed(cycle: number): void {
    this.#teller.passed(cycle);
  }

  /** Resolves when the daemon has heard of the end, or is gone. */
  async end(state: Exclude<ScriptState, 'running'>): Promise<void> {
    this.#line?.end();
    this.#teller.end(state);
    await this.#telling;
  }

  // The newest is what counts: one at a time, and what has come meanwhile in one.
  async #tellOn(): Promise<void> {
    try {
      for (let next = this.#next; next !== undefined; next = this.#next) {
        this.#next = undefined;
        await this.#hvd.request('load.progress', next);
      }
    } catch (error) {
      // A daemon that does not know it, or has enough of them, or is gone, which the player finds out by itself.
      this.#isDeaf = true;
      if (error instanceof HvdError && error.code === 'script.many') this.#line?.say(`hvd: ${error.message}`);
    } finally {
      this.#telling = undefined;
    }
  }
}
