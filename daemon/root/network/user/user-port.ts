// A network device whose other end is outside the machine: frames go in and out at the gate, so that a recording has those that come in with their places.
import { FrameQueue } from '../../../../shared/layout/frame-queue.js';
import { FRAME_QUEUE_BYTES, NetworkBufferLayout } from '../../../../shared/layout/network-buffer.js';
import type { Views } from '../../../../shared/layout/struct.js';
import { VirtualDevice, virtualDeviceAt } from '../../../../shared/layout/virtual-devices.js';

/** Frames that are taken from the guest in one visit. */
export const FRAMES_AT_ONCE = 256;

export interface Exchange {
  /** How many of the frames there was room for. */
  readonly taken: number;
  readonly sent: readonly Uint8Array[];
}

export class UserPort {
  readonly views: Views;
  /** Index of the word that goes up when there is something to do, for `Atomics.waitAsync`. */
  readonly sent: number;
  readonly #out: FrameQueue;
  readonly #in: FrameQueue;
  readonly #held: number;
  readonly #wanted: number;
  readonly #tell: () => void;

  /** `tell`: the device is to look. */
  constructor(views: Views, index: number, tell: () => void) {
    const { buffer } = new VirtualDevice(views, virtualDeviceAt(index));
    const word = (name: 'sent' | 'held' | 'wanted'): number => (buffer + NetworkBufferLayout.at[name]) >>> 2;
    this.views = views;
    this.sent = word('sent');
    this.#held = word('held');
    this.#wanted = word('wanted');
    this.#out = new FrameQueue(views, buffer + NetworkBufferLayout.at.out, FRAME_QUEUE_BYTES);
    this.#in = new FrameQueue(views, buffer + NetworkBufferLayout.at.in, FRAME_QUEUE_BYTES);
    this.#tell = tell;
  }

  /** The guest has sent something. */
  get hasFrames(): boolean {
    return !this.#out.empty;
  }
  /** The guest has all frames that were given to it. */
  get isTaken(): boolean {
    return this.#in.empty;
  }

  /** At the gate. Frames that find no room wait until the device has taken some, and says so. */
  exchange(frames: readonly Uint8Array[]): Exchange {
    let taken = 0;
    while (taken < frames.length && this.#give(frames[taken]!)) taken++;
    const sent: Uint8Array[] = [];
    for (let left = FRAMES_AT_ONCE; left > 0; left--) {
      const frame = this.#out.pop();
      if (frame === undefined) break;
      sent.push(frame);
    }
    const isHeld = Atomics.exchange(this.views.i32, this.#held, 0) !== 0;
    if (taken > 0 || isHeld) this.#tell();
    return { taken, sent };
  }
  /** The word first, then the look: the device does it the other way round. */
  #give(frame: Uint8Array): boolean {
    if (this.#in.push(frame)) return true;
    Atomics.store(this.views.i32, this.#wanted, 1);
    if (!this.#in.push(frame)) return false;
    Atomics.store(this.views.i32, this.#wanted, 0);
    return true;
  }
}
