// Waits for a network device to send, and has its switch carry what it has sent, until the boot is over.
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Views } from '../../../shared/layout/struct.js';
import type { Switch, SwitchPort } from './switch.js';

export class SwitchServer {
  readonly #views: Views;
  readonly #network: Switch;
  readonly #port: SwitchPort;
  #isEnding = false;

  /** `carry`: the switch does its work. */
  constructor(views: Views, network: Switch, port: SwitchPort, carry: () => Promise<void>) {
    this.#views = views;
    this.#network = network;
    this.#port = port;
    network.join(port);
    void this.#run(carry);
  }

  /** What is still on its way from this port is lost. Does not wait for the carrier, who may stand at the gate behind whoever ends this. */
  async end(): Promise<void> {
    this.#isEnding = true;
    this.#network.leave(this.#port);
    Atomics.notify(this.#views.i32, this.#port.sent);
  }

  async #run(carry: () => Promise<void>): Promise<void> {
    const { i32 } = this.#views;
    while (!this.#isEnding) {
      const seen = Atomics.load(i32, this.#port.sent);
      try {
        while (!this.#isEnding && !this.#port.out.empty) {
          await carry();
          // Two guests that send without end leave root time for everybody else.
          await nextTurn();
        }
      } catch {
        // The machine ends.
        return;
      }
      if (this.#isEnding) return;
      const { async, value } = Atomics.waitAsync(i32, this.#port.sent, seen);
      if (async) await value;
    }
  }
}
