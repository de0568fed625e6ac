// Keeps a subscription to the daemon alive: connects, subscribes, and tries again every second for as long as it is wanted.
import { connect, type HvdClient } from '../shared/client/client.js';
import { HvdError, reasonOf } from '../shared/protocol/errors.js';
import type {
  Events,
  InterruptsInspect,
  LogRecord,
  MachineStats,
  PartitionInspect,
  Requests,
  VtlbInspect,
} from '../shared/protocol/messages.js';

export const RETRY_MS = 1000;
const ANSWER_MS = 5000;
/** Events per second that are worth their decoding; above, the lanes are drawn from samples for QUIET_MS. */
export const EVENTS_PER_SECOND_MAX = 20_000;
export const QUIET_MS = 30_000;

/** What somebody looks at, and what is asked of the daemon with each sample for it. */
export interface Watch {
  /** Interrupts, with the log of that VP. */
  readonly interrupts?: { readonly partition: string; readonly vp: number } | undefined;
  /** What the vTLB of that partition holds. */
  readonly spaces?: string | undefined;
  /** That partition in full, and what its console has said since the last answer. */
  readonly vm?: string | undefined;
}
/** What hvtop may have the daemon do. */
export type Command = { [M in 'policy.set' | 'load.set' | 'load.stop']: { readonly method: M; readonly params: Requests[M][0] } }[
  | 'policy.set'
  | 'load.set'
  | 'load.stop'];

/** Put with each sample, and not again before it is answered. One that fails is put again with the next sample: what it is about may just have gone. */
class Question<T> {
  readonly #ask: (client: HvdClient, about: T) => Promise<void>;
  #busy = false;

  constructor(ask: (client: HvdClient, about: T) => Promise<void>) {
    this.#ask = ask;
  }

  async put(client: HvdClient, about: T | undefined): Promise<void> {
    if (about === undefined || this.#busy || client.closed) return;
    this.#busy = true;
    try {
      await this.#ask(client, about);
    } catch {
      // The link itself is looked after by whoever hears that it is closed.
    } finally {
      this.#busy = false;
    }
  }
}

export interface LinkListener {
  connected(): void;
  disconnected(reason: string): void;
  stats(stats: MachineStats): void;
  interrupts(interrupts: InterruptsInspect): void;
  vtlb(partition: string, view: VtlbInspect): void;
  /** `console`: what it has said since the last answer about this partition; of another one: since the beginning. */
  vm(inspect: PartitionInspect, console: Uint8Array): void;
  events(events: Events['events']): void;
  log(records: readonly LogRecord[], lost: number): void;
  dropped(count: number): void;
}

export class Link {
  readonly #socket: string;
  readonly #hz: number;
  readonly #listener: LinkListener;
  #client: HvdClient | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  /** This connection has brought a sample by subscription. */
  #sampled = false;
  #heardAt = 0;
  #windowStart = 0;
  #windowEvents = 0;
  #watch: Watch = {};
  readonly #interrupts = new Question<NonNullable<Watch['interrupts']>>(async (client, log) =>
    this.#listener.interrupts(await client.request('interrupts', { log })),
  );
  readonly #spaces = new Question<string>(async (client, name) =>
    this.#listener.vtlb(name, await client.request('vm.inspect.vtlb', { name, path: 'vtlb' })),
  );
  readonly #vm = new Question<string>(async (client, name) => {
    if (this.#console.name !== name) this.#console = { name, position: 0 };
    const inspect = await client.request('vm.inspect', { name });
    const { data, position } = await client.request('vm.console.read', this.#console);
    this.#console = { name, position };
    this.#listener.vm(inspect, data);
  });
  #console = { name: '', position: 0 };

  constructor(socket: string, hz: number, listener: LinkListener) {
    this.#socket = socket;
    this.#hz = hz;
    this.#listener = listener;
  }

  /** Host seconds since the last frame. */
  get silentSeconds(): number {
    return (performance.now() - this.#heardAt) / 1000;
  }

  /** From now on each sample comes with answers about that. */
  watch(watch: Watch): void {
    this.#watch = watch;
    if (this.#client !== undefined) this.#ask(this.#client);
  }

  /** Why the daemon would not do it; undefined: it has. */
  async command({ method, params }: Command): Promise<string | undefined> {
    if (this.#client === undefined) return 'no daemon to tell';
    try {
      await this.#client.request(method, params);
      return undefined;
    } catch (error) {
      return reasonOf(error);
    }
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
      this.#console = { name: '', position: 0 };
      this.#sampled = false;
      this.#listen(client);
      this.#heard();
      // Before the first frame of a subscription: what was before belongs to another connection.
      this.#listener.connected();
      await client.request('subscribe', { stats: this.#hz, events: true, log: true });
      // The first sample at once: the screen need not wait for the first period. One that has come by subscription meanwhile is newer.
      const first = await client.request('stats', {});
      if (!this.#sampled) this.#listener.stats(first);
    } catch (error) {
      await client?.close();
      this.#lost(error instanceof HvdError && error.code === 'protocol.version' ? `${error.message}: ${error.hint}` : reasonOf(error));
    }
  }

  #listen(client: HvdClient): void {
    client.on('stats', (stats) => {
      this.#sampled = true;
      this.#heard();
      this.#listener.stats(stats);
      this.#ask(client);
    });
    client.on('events', (events) => {
      this.#heard();
      this.#limit(client, events.length);
      this.#listener.events(events);
    });
    client.on('log', ({ records, lost }) => this.#listener.log(records, lost));
    client.on('dropped', ({ count }) => this.#listener.dropped(count));
    client.on('closed', () => {
      if (this.#client === client) this.#lost('the daemon closed the connection');
    });
  }

  #ask(client: HvdClient): void {
    void this.#interrupts.put(client, this.#watch.interrupts);
    void this.#spaces.put(client, this.#watch.spaces);
    void this.#vm.put(client, this.#watch.vm);
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
