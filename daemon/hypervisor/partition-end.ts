// How a partition comes to its end from inside: powered off, reset, crashed, or what the operator waited for has come. The first cause stays; what it has to say is there before the state is.
import { ExitCause, PartitionLayout, PartitionState } from '../../shared/layout/partition.js';
import type { Views } from '../../shared/layout/struct.js';

const { exitCause, exitDetail, reason, state } = PartitionLayout.at;
const REASON_BYTES = PartitionLayout.fields.reason.bytes;

export class PartitionEnd {
  readonly #views: Views;
  readonly #announce: (cause: number, detail: number) => void;

  /** `announce` makes every LP that runs the partition look at its state. */
  constructor(views: Views, announce: (cause: number, detail: number) => void) {
    this.#views = views;
    this.#announce = announce;
  }

  powerOff(): void {
    this.#end(PartitionState.POWERED_OFF, ExitCause.POWER_OFF, 0);
  }
  reset(): void {
    this.#end(PartitionState.STOPPED, ExitCause.RESET, 0);
  }
  debugExit(value: number): void {
    this.#end(PartitionState.POWERED_OFF, ExitCause.DEBUG_EXIT, value);
  }
  /** The console has said what was waited for. */
  textSeen(): void {
    this.#end(PartitionState.STOPPED, ExitCause.TEXT_SEEN, 0);
  }
  timeUp(): void {
    this.#end(PartitionState.STOPPED, ExitCause.TIME_UP, 0);
  }
  tripleFault(vp: number, rip: bigint): void {
    this.#end(PartitionState.CRASHED, ExitCause.TRIPLE_FAULT, vp, `triple fault on VP ${vp} at RIP 0x${rip.toString(16)}`);
  }
  /** A boot processor is sent to the reset vector, and there is no ROM. */
  initOfBootProcessor(vp: number): void {
    this.#end(PartitionState.STOPPED, ExitCause.RESET, vp, `INIT of VP ${vp}: there is no firmware at the reset vector`);
  }
  /** hvd's own broken invariant while it worked for the partition: the partition stops, the LP goes on. */
  brokenInvariant(error: unknown, vp: number): void {
    this.#end(PartitionState.CRASHED, ExitCause.BROKEN_INVARIANT, vp, error instanceof Error ? error.message : String(error));
  }

  #end(to: number, cause: number, detail: number, text = ''): void {
    const { i32, u8 } = this.#views;
    // State left by the one that wins: cause without state, seen by nobody but others that come to an end here and give way.
    if (Atomics.compareExchange(i32, exitCause >>> 2, ExitCause.NONE, cause) !== ExitCause.NONE) return;
    u8.fill(0, reason, reason + REASON_BYTES);
    u8.set(new TextEncoder().encode(text).subarray(0, REASON_BYTES - 1), reason);
    Atomics.store(i32, exitDetail >>> 2, detail);
    Atomics.store(i32, state >>> 2, to);
    this.#announce(cause, detail);
  }
}
