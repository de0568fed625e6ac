// The account of intercepts that shortcuts (daemon/shortcuts) have dealt with: charged at once where they happen, counted when guest code is left.
import { LpContextLayout, SHORTCUT_EXITS, type ShortcutExit } from '../../shared/layout/lp-context.js';
import type { Views } from '../../shared/layout/struct.js';
import type { Intercepts } from './processor.js';

export class ShortcutAccount {
  readonly #u32: Uint32Array;
  readonly #exits: number;
  readonly #charged: number;

  /** `cycles`: what one of each is charged. */
  constructor({ u32 }: Views, context: number, cycles: Readonly<Record<ShortcutExit, number>>) {
    this.#u32 = u32;
    this.#exits = (context + LpContextLayout.at.exits) >>> 2;
    this.#charged = (context + LpContextLayout.at.charged) >>> 2;
    u32.set(
      SHORTCUT_EXITS.map((name) => cycles[name]),
      (context + LpContextLayout.at.exitCycles) >>> 2,
    );
  }

  /** Has those since the last call counted; what they have charged, with hardware walks and waits. */
  settle(intercepts: Pick<Intercepts, 'shortened'>): number {
    const u32 = this.#u32;
    const charged = u32[this.#charged];
    u32[this.#charged] = 0;
    for (let n = 0; n < SHORTCUT_EXITS.length; n++) {
      const times = u32[this.#exits + n];
      if (times === 0) continue;
      u32[this.#exits + n] = 0;
      intercepts.shortened(SHORTCUT_EXITS[n]!, times);
    }
    return charged;
  }
}
