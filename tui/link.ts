// Keeps a subscription to the daemon alive: connects, subscribes, and tries again every second for as long as it is wanted.
import { connect, type HvdClient } from '../shared/client/client.js';
import { HvdError, reasonOf } from '../shared/protocol/errors.js';
import type { Events, InterruptsInspect, MachineStats, VtlbInspect } from '../shared/protocol/messages.js';

export const RETRY_MS = 1000;
const ANSWER_MS = 5000;
/** Events per second that are worth their decoding; above, the lanes are drawn from samples for QUIET_MS. */
export const EVENTS_PER_SECOND_MAX = 20_000;
export const QUIET_MS = 30_000;

export interface LinkListener {
  connected(): void;
  disconnected(reason: string): void;
  stats(stats: MachineStats): void;
  interrupts(interrupts: InterruptsInspect): void;
  vtlb(partition: string, view: VtlbInspect): void;
  events(events: Events['events']): void;
  dropped(count: number): void;
}

export class Link {
  readonly #socket: string;
  readonly #hz: number;
  readonly #listener: LinkListener;
  #client: HvdClient | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  #heardAt = 0;
  #windowStart = 0;
  #windowEvents = 0;
  /** The VP whose interrupts somebody looks at; undefined: nobody looks at interrupts. */
  #watched: { partition: string; vp: number } | undefined;
  #asking = false;
  /** The partition whose vTLB somebody looks at. */
  #spacesOf: string | undefined;
  #askingSpaces = false;

  constructor(socket: string, hz: number, listener: LinkListener) {
    this.#socket = socket;
    this.#hz = hz;
    this.#listener = listener;
  }

  /** Host seconds since the last frame. */
  get silentSeconds(): number {
    return (performance.now() - this.#heardAt) / 1000;
  }

  /** From now on each sample comes with an answer about interrupts, with the log of that VP; undefined: no more. */
  watchInterrupts(vp: { partition: string; vp: number } | undefined): void {
    this.#watched = vp;
    if (this.#client !== undefined) void this.#askInterrupts(this.#client);
  }

  /** The same for what a partition's vTLB holds. */
  watchSpaces(partition: string | undefined): void {
    this.#spacesOf = partition;
    if (this.#client !== undefined) void this.#askSpaces(this.#client);
  }

  start(): void {
    void this.#connect();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#client?.close();
  }

  async #connect(): Promise<void> {
    let client: HvdClient | undefined;
    try {
      client = await connect({ socket: this.#socket, timeoutMs: ANSWER_MS });
      if (this.#stopped) return await client.close();
      this.#client = client;
      this.#listen(client);
      await client.request('subscribe', { stats: this.#hz, events: true });
      this.#heard();
      this.#listener.connected();
      // The first sample at once: the screen need not wait for the first period.
      this.#listener.stats(await client.request('stats', {}));
    } catch (error) {
      await client?.close();
      this.#lost(error instanceof HvdError && error.code === 'protocol.version' ? `${error.message}: ${error.hint}` : reasonOf(error));
    }
  }

  #listen(client: HvdClient): void {
    client.on('stats', (stats) => {
      this.#heard();
      this.#listener.stats(stats);
      void this.#askInterrupts(client);
      void this.#askSpaces(client);
    });
    client.on('events', (events) => {
      this.#heard();
      this.#limit(client, events.length);
      this.#listener.events(events);
    });
    client.on('dropped', ({ count }) => this.#listener.dropped(count));
    client.on('closed', () => {
      if (this.#client === client) this.#lost('the daemon closed the connection');
    });
  }

  /** One question at a time. One that fails is asked again with the next sample: the partition may just have gone. */
  async #askInterrupts(client: HvdClient): Promise<void> {
    const log = this.#watched;
    if (log === undefined || this.#asking || client.closed) return;
    this.#asking = true;
    try {
      this.#listener.interrupts(await client.request('interrupts', { log }));
    } catch {
      // The link itself is looked after by whoever hears that it is closed.
    } finally {
      this.#asking = false;
    }
  }

  async #askSpaces(client: HvdClient): Promise<void> {
    const name = this.#spacesOf;
    if (name === undefined || this.#askingSpaces || client.closed) return;
    this.#askingSpaces = true;
    try {
      this.#listener.vtlb(name, await client.request('vm.inspect.vtlb', { name, path: 'vtlb' }));
    } catch {
      // As above.
    } finally {
      this.#askingSpaces = false;
    }
  }

  #heard(): void {
    this.#heardAt = performance.now();
  }

  /** A flood of events is given up for a while: this program must not take the processor that the machine needs. */
  #limit(client: HvdClient, count: number): void {
    const now = performance.now();
    if (now - this.#windowStart > 1000) {
      this.#windowStart = now;
      this.#windowEvents = 0;
    }
    this.#windowEvents += count;
    if (this.#windowEvents <= EVENTS_PER_SECOND_MAX) return;
    this.#windowEvents = 0;
    client.request('subscribe', { events: false }).catch(() => {});
    setTimeout(() => {
      if (!client.closed) client.request('subscribe', { events: true }).catch(() => {});
    }, QUIET_MS).unref();
  }

  #lost(reason: string): void {
    this.#client = undefined;
    if (this.#stopped) return;
    this.#listener.disconnected(reason);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#connect(), RETRY_MS);
  }
}
