// Stops the machine for a debugger, looks at the partition that is debugged through an LP that stands still, and lets the machine go on (shared/layout/debug).
// What comes from outside meanwhile (a partition that is created, a key) needs LPs that go on: while it acts, the debugged VPs are held and the machine runs.
import {
  BREAKPOINTS_MAX,
  DEBUG_BUFFER,
  DebugAction,
  DebugBlock,
  DebugLayout,
  DebugReason,
  DebugRequest,
  DebugResult,
  WATCH_SIZE,
  WATCHES_MAX,
  WatchEntry,
} from '../../../shared/layout/debug.js';
import { debugAt } from '../../../shared/layout/machine.js';
import { PartitionState } from '../../../shared/layout/partition.js';
import { HvdError } from '../../../shared/protocol/errors.js';
import type { LpSignals } from '../lp-signals.js';
import type { MachineMemory } from '../machine-memory.js';
import type { Partition } from '../partition.js';
import type { PartitionBody } from '../partition-body.js';
import { hasEnded } from '../stats.js';

/** Why the debugged partition stands: an event of one of its VPs, root's wish, or its end. */
export type Stop =
  | { readonly kind: 'event'; readonly reason: number; readonly vp: number; readonly address: number; readonly access: number }
  | { readonly kind: 'interrupted' }
  | { readonly kind: 'ended' };

export interface Watchpoint {
  /** Linear address, as a signed number. */
  readonly from: number;
  readonly bytes: number;
  /** WatchKind bits. */
  readonly access: number;
}

/** How often root looks anew whether an LP has died or the partition has ended, ms. */
const LOOK_MS = 50;
/** An LP that does not come to a boundary within this time is not waited for any longer. */
const STAND_LIMIT_MS = 10_000;

export class DebugControl {
  readonly #signals: LpSignals;
  readonly #aliveLps: () => readonly number[];
  readonly #block: DebugBlock;
  readonly #i32: Int32Array;
  #target: Partition | undefined;
  /** Memory of the target when the debugger came: it is another one after a new start. */
  #body: PartitionBody | undefined;
  /** Acts from outside that are under way, and who waits for their end. */
  #acts = 0;
  readonly #whenQuiet: (() => void)[] = [];
  /** The debugger wants the machine to stand. */
  #wantsStand = false;
  #wantsInterrupt = false;
  /** A VP's event that an act from outside came between. */
  #kept: Stop | undefined;

  constructor(memory: MachineMemory, signals: LpSignals, aliveLps: () => readonly number[]) {
    this.#signals = signals;
    this.#aliveLps = aliveLps;
    this.#block = new DebugBlock(memory.views, debugAt(memory.lps.length));
    this.#i32 = memory.views.i32;
  }

  /** The partition that is debugged. */
  get target(): Partition | undefined {
    return this.#target;
  }
  /** It runs or is paused, and is still the one to which the debugger came. */
  get isThere(): boolean {
    const body = this.#body;
    return body !== undefined && this.#target?.body === body && !hasEnded(body.state);
  }

  /** The debugger has come: the machine stands still, with the partition's VPs wherever they are. */
  async attach(partition: Partition): Promise<void> {
    await this.detach();
    this.#target = partition;
    this.#body = partition.body;
    this.#clear();
    Atomics.store(this.#i32, this.#word('target'), partition.slot + 1);
    await this.stand();
  }

  /** The debugger has gone: nothing of it is left, and everything goes on. */
  async detach(): Promise<void> {
    if (this.#target === undefined) return;
    this.#target = undefined;
    this.#body = undefined;
    this.#wantsStand = false;
    Atomics.store(this.#i32, this.#word('target'), 0);
    this.#clear();
    // From here on no VP of it stops anything; one that has just done so is let go too.
    this.#release();
    await this.#quiet();
    this.#release();
  }

  /** The machine stands still, once what acts on it from outside has ended: as long as there is something to debug. */
  async stand(): Promise<void> {
    if (this.#target === undefined) return;
    this.#wantsStand = true;
    do {
      await this.#quiet();
      const before = this.#sequence;
      if ((before & 1) === 0 && Atomics.compareExchange(this.#i32, this.#word('sequence'), before, before + 1) === before)
        this.#block.stoppedMicrosNum = now();
      await this.#stood();
      // What acts from outside has let it go on meanwhile.
    } while (this.#wantsStand && (this.#sequence & 1) === 0);
  }

  /** The machine goes on, each VP of the partition with its DebugAction, until something comes up. */
  async goOn(actions: readonly number[]): Promise<Stop> {
    await this.stand();
    if (!this.isThere) return this.#ended();
    const stepping = actions.indexOf(DebugAction.STEP);
    const isAlone = actions.every((action, vp) => action !== DebugAction.RUN && (vp === stepping || action === DebugAction.HOLD));
    if (stepping >= 0 && isAlone && !this.#wantsInterrupt) {
      const stop = await this.#stepInPlace(stepping);
      if (stop !== undefined) {
        this.#wantsInterrupt = false;
        return stop;
      }
    }
    for (const [vp, action] of actions.entries()) this.#setAction(vp, action);
    this.#wantsStand = false;
    this.#release();
    return this.#stopped();
  }
  /** Whoever waits for a stop gets one. */
  interrupt(): void {
    this.#wantsInterrupt = true;
    Atomics.notify(this.#i32, this.#word('eventOf'));
  }

  /** As many bytes as are there, from the first on; undefined: none. */
  async read(vp: number, address: number, bytes: number): Promise<Buffer | undefined> {
    const parts: Buffer[] = [];
    for (let at = 0; at < bytes; at += DEBUG_BUFFER) {
      const length = Math.min(DEBUG_BUFFER, bytes - at);
      const result = await this.#request(DebugRequest.READ, vp, address + at, length);
      if (result !== DebugResult.OK) break;
      const { views, buffer, done } = this.#block;
      parts.push(Buffer.from(views.u8.slice(buffer, buffer + done)));
      if (done < length) break;
    }
    return parts.length > 0 || bytes === 0 ? Buffer.concat(parts) : undefined;
  }
  /** False: some of it is not there. What lies before that may be written when it is more than a request takes. */
  async write(vp: number, address: number, bytes: Uint8Array): Promise<boolean> {
    for (let at = 0; at < bytes.length; at += DEBUG_BUFFER) {
      const part = bytes.subarray(at, at + DEBUG_BUFFER);
      const copy = (): void => this.#block.views.u8.set(part, this.#block.buffer);
      if ((await this.#request(DebugRequest.WRITE, vp, address + at, part.length, copy)) !== DebugResult.OK) return false;
    }
    return true;
  }
  /** The entries of the guest's page tables on the way to the address, and where they lead, if they do. */
  async walk(
    vp: number,
    address: number,
  ): Promise<{ steps: { level: number; at: number; entry: bigint }[]; physical: number | undefined }> {
    const result = await this.#request(DebugRequest.WALK, vp, address, 0);
    const { views, buffer, done } = this.#block;
    const word = (n: number): bigint => views.data.getBigUint64(buffer + n * 8, true);
    const steps = Array.from({ length: done }, (_, i) => ({
      level: Number(word(i * 3)),
      at: Number(word(i * 3 + 1)),
      entry: word(i * 3 + 2),
    }));
    return { steps, physical: result === DebugResult.OK ? Number(word(done * 3)) : undefined };
  }

  /** Where VPs stop from now on. Both lists are within their limits (BREAKPOINTS_MAX, WATCHES_MAX). */
  setStops(breakpoints: readonly number[], watches: readonly Watchpoint[]): void {
    const block = this.#block;
    const { data } = block.views;
    block.breakpointCount = Math.min(breakpoints.length, BREAKPOINTS_MAX);
    block.watchCount = Math.min(watches.length, WATCHES_MAX);
    for (let i = 0; i < block.breakpointCount; i++) data.setFloat64(block.breakpoints + i * 8, breakpoints[i]!, true);
    for (let i = 0; i < block.watchCount; i++) {
      const { from, bytes, access } = watches[i]!;
      const at = block.watches + i * WATCH_SIZE;
      data.setFloat64(at + WatchEntry.FROM, from, true);
      data.setFloat64(at + WatchEntry.BYTES, bytes, true);
      data.setUint32(at + WatchEntry.KIND, access, true);
    }
    Atomics.add(this.#i32, this.#word('tableVersion'), 1);
  }

  /**
   * Something from outside acts on the machine, which needs LPs that go on. Returns the very promise of `act`: whoever acts again at once is still let in at the
   * same place of the course (gate/gate), which any turn of the event loop more would take from him.
   */
  during<T>(act: () => Promise<T>): Promise<T> {
    this.#acts++;
    if (this.#target !== undefined) this.#goOnHeld();
    const result = act();
    const over = (): void => {
      this.#acts--;
      if (this.#acts > 0) return;
      for (const resolve of this.#whenQuiet.splice(0)) resolve();
      if (this.#wantsStand) void this.stand().catch(() => {});
    };
    result.then(over, over);
    return result;
  }

  // --- the words

  #word(name: 'sequence' | 'target' | 'eventOf' | 'requestLp' | 'tableVersion'): number {
    return (this.#block.base + DebugLayout.at[name]) >>> 2;
  }
  get #sequence(): number {
    return Atomics.load(this.#i32, this.#word('sequence'));
  }
  #setAction(vp: number, action: number): void {
    Atomics.store(this.#i32, (this.#block.actions >>> 2) + vp, action);
  }
  #clear(): void {
    const { views, actions, reported } = this.#block;
    views.u8.fill(0, actions, actions + DebugLayout.fields.actions.bytes);
    views.u8.fill(0, reported, reported + DebugLayout.fields.reported.bytes);
    this.setStops([], []);
  }

  async #quiet(): Promise<void> {
    while (this.#acts > 0) await new Promise<void>((resolve) => this.#whenQuiet.push(resolve));
  }
  #goOnHeld(): void {
    const sequence = this.#sequence;
    if (!this.#wantsStand && (sequence & 1) !== 0 && Atomics.load(this.#i32, this.#word('eventOf')) === sequence)
      this.#kept = this.#event();
    for (const vp of this.#body?.vps.keys() ?? []) this.#setAction(vp, DebugAction.HOLD);
    this.#release();
  }
  /** Whoever stands still goes on. */
  #release(): void {
    const sequence = this.#sequence;
    if ((sequence & 1) === 0) return;
    this.#block.stoodMicrosNum += Math.max(0, now() - this.#block.stoppedMicrosNum);
    Atomics.store(this.#i32, this.#word('sequence'), sequence + 1);
    this.#signals.ringAll();
  }

  async #stood(): Promise<void> {
    const { parked } = this.#block;
    const deadline = performance.now() + STAND_LIMIT_MS;
    for (;;) {
      const sequence = this.#sequence;
      const lp = this.#aliveLps().find((one) => Atomics.load(this.#i32, (parked >>> 2) + one) !== sequence);
      if ((sequence & 1) === 0 || lp === undefined) return;
      if (performance.now() > deadline) throw new HvdError('machine.lp-silent', { lp, command: 'stand still', ms: STAND_LIMIT_MS });
      this.#signals.forceAll();
      await this.#changed((parked >>> 2) + lp, Atomics.load(this.#i32, (parked >>> 2) + lp), sequence);
    }
  }
  /** The word is not `seen` any more, or it is time to look again. `done`: there is no need to wait. */
  async #changed(index: number, seen: number, done?: number): Promise<void> {
    if (seen === done) return;
    const { value } = Atomics.waitAsync(this.#i32, index, seen, LOOK_MS);
    await value;
  }

  /** Until a VP has come to something, the partition has ended, or an interrupt is wanted; then all stand. */
  async #stopped(): Promise<Stop> {
    for (;;) {
      const seen = Atomics.load(this.#i32, this.#word('eventOf'));
      const stop = this.#stopNow(seen);
      if (stop !== undefined) {
        this.#kept = undefined;
        this.#wantsInterrupt = false;
        if (stop.kind === 'ended') return this.#ended();
        this.#wantsStand = true;
        if (this.#acts > 0) this.#goOnHeld();
        await this.stand();
        return stop;
      }
      await this.#changed(this.#word('eventOf'), seen);
    }
  }
  async #ended(): Promise<Stop> {
    await this.detach();
    return { kind: 'ended' };
  }
  #stopNow(seen: number): Stop | undefined {
    const sequence = this.#sequence;
    if (!this.isThere) return { kind: 'ended' };
    if (this.#kept !== undefined) return this.#kept;
    if ((sequence & 1) !== 0 && seen === sequence) return this.#event();
    // Another one is on its way: it comes first.
    if (!this.#wantsInterrupt || (sequence & 1) !== 0) return undefined;
    return { kind: 'interrupted' };
  }
  #event(): Stop {
    const { eventReason, eventVp, eventAddressNum, eventKind } = this.#block;
    return { kind: 'event', reason: eventReason, vp: eventVp, address: eventAddressNum, access: eventKind };
  }

  /** One instruction of the VP in whose run an LP stands, with all others where they are. Undefined: there is no such run. */
  async #stepInPlace(vp: number): Promise<Stop | undefined> {
    if (this.#body?.state !== PartitionState.RUNNING) return undefined;
    const lp = this.#lpInRun(vp);
    if (lp === undefined) return undefined;
    this.#block.eventReason = DebugReason.INTERRUPT;
    if ((await this.#request(DebugRequest.STEP, vp, 0, 0)) !== DebugResult.OK) return undefined;
    await this.#stood();
    return this.#block.eventReason === DebugReason.INTERRUPT ? { kind: 'interrupted' } : this.#event();
  }
  #lpInRun(vp: number): number | undefined {
    return this.#aliveLps().find((lp) => Atomics.load(this.#i32, (this.#block.inRun >>> 2) + lp) === vp + 1);
  }

  /** Carried out by the LP in whose run the VP is, else by any; a DebugResult. */
  async #request(request: number, vp: number, address: number, bytes: number, prepare?: () => void): Promise<number> {
    await this.stand();
    const lp = this.#lpInRun(vp) ?? this.#aliveLps()[0];
    if (lp === undefined || !this.isThere) return DebugResult.UNMAPPED;
    const block = this.#block;
    const word = this.#word('requestLp');
    block.request = request;
    block.requestVp = vp;
    block.requestAddressNum = address;
    block.requestBytes = bytes;
    block.done = 0;
    prepare?.();
    Atomics.store(this.#i32, word, lp + 1);
    this.#signals.ring(lp);
    while (Atomics.load(this.#i32, word) !== 0) {
      if (!this.#aliveLps().includes(lp)) {
        Atomics.store(this.#i32, word, 0);
        return DebugResult.NOT_NOW;
      }
      await this.#changed(word, lp + 1);
    }
    return block.result;
  }
}

const now = (): number => Math.floor((performance.timeOrigin + performance.now()) * 1000);
