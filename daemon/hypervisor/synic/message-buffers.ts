// The buffers in which messages wait: 16 for each port, one for each timer. Any LP.
// Why fixed ones: what a guest can make the hypervisor keep is bounded by the ports that there are (TLFS 11.10.5).
import { Message } from '../../../shared/abi/synic.js';
import type { Views } from '../../../shared/layout/struct.js';
import { bufferAt, linkAt, NOT_QUEUED, PORT_BUFFERS, PortLayout, portAt, portBuffer, portOfBuffer } from '../../../shared/layout/synic.js';
import type { SharedWords } from '../../machine/shared-words.js';

/** What stands in a message beside its payload. `origin`: the number of the port, or 0. */
export interface MessageHeader {
  readonly type: number;
  readonly size: number;
  readonly origin: number;
}

export class MessageBuffers {
  readonly #views: Views;
  readonly #words: SharedWords;

  constructor(views: Views, words: SharedWords) {
    this.#views = views;
    this.#words = words;
  }

  /** A buffer of the port for the caller alone, or -1: all of them wait. */
  take(port: number): number {
    const at = portAt(port) + PortLayout.at.free;
    for (;;) {
      const free = this.#words.load(at);
      if (free === 0) return -1;
      const lowest = free & -free;
      if (this.#words.compareExchange(at, free, free & ~lowest) === free) return portBuffer(port, 31 - Math.clz32(lowest));
    }
  }

  /** Back to its port; timers keep theirs. */
  release(buffer: number): void {
    const port = portOfBuffer(buffer);
    if (port >= 0) this.#words.or(portAt(port) + PortLayout.at.free, 1 << (buffer % PORT_BUFFERS));
  }

  /** Writes a message into a buffer that is the caller's. The payload is read once: its owner may change it meanwhile. */
  fill(buffer: number, { type, size, origin }: MessageHeader, payload: Uint8Array): void {
    const { u8, u32 } = this.#views;
    const at = bufferAt(buffer);
    // The last word is copied into the slot whole: what stood in it before is nobody's business.
    if ((size & 3) !== 0) u32[(at + Message.PAYLOAD + size) >>> 2] = 0;
    u8.set(payload.subarray(0, size), at + Message.PAYLOAD);
    u32[(at + Message.TYPE) >>> 2] = type;
    u32[(at + Message.SIZE) >>> 2] = size;
    u32[(at + Message.ORIGIN) >>> 2] = origin;
    u32[(at + Message.ORIGIN + 4) >>> 2] = 0;
  }

  /** Whether it stands in a queue. Under the controller's lock. */
  isQueued(buffer: number): boolean {
    return this.#words.read(linkAt(buffer)) !== NOT_QUEUED;
  }
}
