// Carries frames between a network device and the world outside, in one boot of its partition.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { UserNetwork } from './user-network.js';
import type { Exchange, UserPort } from './user-port.js';

/** Frames that enter the machine at once. */
const FRAMES_AT_ONCE = 32;

export class UserServer {
  readonly network: UserNetwork;
  readonly #port: UserPort;
  readonly #exchange: (frames: readonly Uint8Array[]) => Promise<Exchange>;
  #isEnding = false;

  /** `exchange`: the port's, at the gate. */
  constructor(port: UserPort, exchange: (frames: readonly Uint8Array[]) => Promise<Exchange>) {
    this.#port = port;
    this.#exchange = exchange;
    this.network = new UserNetwork({ onFrames: () => this.#wake(), isTaken: () => port.isTaken });
    void this.#run();
  }

  /** Does not wait for what is under way, which may stand at the gate behind whoever ends this. */
  async end(): Promise<void> {
    this.#isEnding = true;
    this.network.end();
    this.#wake();
  }

  #wake(): void {
    Atomics.notify(this.#port.views.i32, this.#port.sent);
  }
  async #run(): Promise<void> {
    const { views, sent } = this.#port;
    while (!this.#isEnding) {
      const seen = Atomics.load(views.i32, sent);
      let isBlocked = false;
      try {
        while (!this.#isEnding && (this.#port.hasFrames || (this.network.frames.length > 0 && !isBlocked))) {
          const frames = this.network.frames.slice(0, FRAMES_AT_ONCE);
          const { taken, sent: fromGuest } = await this.#exchange(frames);
          isBlocked = taken < frames.length;
          if (this.#isEnding) return;
          this.network.taken(taken);
          for (const frame of fromGuest) this.network.receive(frame);
          // A guest that sends without end leaves root time for everybody else.
          await nextTurn();
        }
      } catch {
        // The machine ends.
        return;
      }
      if (this.#isEnding) return;
      const { async, value } = Atomics.waitAsync(views.i32, sent, seen);
      if (async) await value;
    }
  }
}
