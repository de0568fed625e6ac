// Where a script is played: a daemon that others look at too, or a private machine. Both are asked in the same words.
import type { Deed, MachineStats } from '../../../shared/protocol/messages.js';

/** What can be done while the stage's clock stands at a moment (or, where it does not stand still, shortly after). */
export interface Hands {
  stats(): Promise<MachineStats>;
  /** Throws what the machine says against it. */
  carryOut(deed: Deed): Promise<void>;
}

export interface Stage {
  readonly frequencyHz: number;
  /** `act` happens when the machine has gone on for `cycle` cycles since the stage began. One at a time, in order. Rejects when the stage ends before. */
  at<T>(cycle: number, act: (hands: Hands) => Promise<T>): Promise<T>;
}
