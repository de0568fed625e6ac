// Physical interrupts that are passed through to partitions: in service at the LP from the moment it takes them until the guest's EOI, as on real hardware.
// Guests finish in their own order, but a physical APIC ends only its highest vector. An EOI of a lower one is deferred: remembered here until everything above it has
// ended, then done in turn. Nothing is lost by that (the vector stays in service), and nothing else waits longer than it would have (what is above it has the hardware
// to itself, what is below would have waited for both). `apic.physicalSeoi` gives the hardware the ability instead.
// A guest that does not finish while another's interrupt waits for it is passed over: its vector ends at the hardware, a level line is masked until it does finish.
//
// A vector of an LP:   free -> requested -> in service -> finished by the guest: top -> ended
//                                                         below another one    -> deferred -> ended
import { LpBlock, LpLayout, lpBlockAt } from '../../../shared/layout/machine.js';
import type { Views } from '../../../shared/layout/struct.js';
import type { DeviceLines } from '../../machine/device-lines.js';
import type { PhysicalApic } from '../../machine/physical-apic.js';
import { addVector, hasVector, removeVector } from './vector-set.js';

/** Vectors from here on are the hypervisor's own: they end when they are taken. */
export const OWN_VECTORS = 0xe0;
/** How long a guest may keep others waiting at least, cycles: many slices, for its VP may not be running. */
export const REVOKE_CYCLES = 20_000_000;

export interface PassThroughHost {
  /** Hands an interrupt to a partition's VP. False: there is nobody to take it, nor to end it. */
  inject(slot: number, vp: number, vector: number, level: boolean): boolean;
  /** Whether the partition can still end what it was given. */
  isAlive(slot: number): boolean;
  /** Hardware that can end a named vector. */
  endsSelectively(): boolean;
  clock(): number;
  /** How long a guest may keep others waiting, cycles of `clock`. */
  readonly patience: number;
  /** The LP, this one included, leaves guest code or wakes, and serves. */
  wake(lp: number): void;
}

export interface PassThroughSaved {
  readonly blockedSince: number;
  readonly blockedBy: number;
  readonly blockedService: number;
}

export class PassThrough {
  readonly #lp: number;
  readonly #machine: Views;
  readonly #block: LpBlock;
  readonly #apic: PhysicalApic;
  readonly #lines: DeviceLines;
  readonly #host: PassThroughHost;
  /** Since when a request has been held back by a vector in service, -1: none is. */
  #blockedSince = -1;
  /** That vector, and which of its services it is: another one has all the time again. */
  #blockedBy = -1;
  #blockedService = -1;

  constructor(lp: number, machine: Views, apic: PhysicalApic, lines: DeviceLines, host: PassThroughHost) {
    this.#lp = lp;
    this.#machine = machine;
    this.#block = new LpBlock(machine, lpBlockAt(lp));
    this.#apic = apic;
    this.#lines = lines;
    this.#host = host;
  }

  /** Snapshots (shared/kit/saved). */
  get saved(): PassThroughSaved {
    return { blockedSince: this.#blockedSince, blockedBy: this.#blockedBy, blockedService: this.#blockedService };
  }
  set saved({ blockedSince, blockedBy, blockedService }: PassThroughSaved) {
    this.#blockedSince = blockedSince;
    this.#blockedBy = blockedBy;
    this.#blockedService = blockedService;
  }

  /** The hypervisor's own vectors: to be seen is all that they are for. */
  takeOwn(): void {
    while (this.#apic.requested(this.#lp) >= OWN_VECTORS) {
      this.#apic.take(this.#lp);
      this.#apic.eoi(this.#lp);
    }
  }

  /** Everything else that has come to this LP, and what its guests have finished. Owner LP, outside guest code, in its turn. */
  serve(): void {
    this.takeOwn();
    this.collectDone();
    if (this.#apic.highest(this.#lp) >= 0) this.bury();
    for (let vector = this.#apic.take(this.#lp); vector >= 0; vector = this.#apic.take(this.#lp)) this.handle(vector);
    this.#watch();
  }
  /** A vector that the LP has taken, here or by its IDT. */
  handle(vector: number): void {
    if (vector >= OWN_VECTORS) this.#apic.eoi(this.#lp);
    else this.#deliver(vector);
  }

  /** Whether there is something for `serve` to do: guest code is left for it. */
  get isWanted(): boolean {
    const requested = this.#apic.requested(this.#lp);
    if (requested >= 0 && requested < OWN_VECTORS && requested >> 4 > this.#apic.highest(this.#lp) >> 4) return true;
    return this.#hasDone();
  }

  /** When `serve` has to be called even if nothing else happens, cycles. */
  get deadline(): number {
    return this.#blockedSince < 0 ? Number.POSITIVE_INFINITY : this.#blockedSince + this.#host.patience;
  }

  /** A VP on this LP has ended one of its vectors that is passed through. */
  finished(slot: number, vp: number, guestVector: number): void {
    for (const line of this.#lines.lines) {
      if (line.used === 0 || line.slot !== slot || line.vp !== vp || line.guestVector !== guestVector) continue;
      if (line.lp !== this.#lp) {
        this.tell(line.lp, line.vector);
        continue;
      }
      this.#finish(line.vector);
      // What the vector has held back is taken as soon as guest code is left.
      if (this.isWanted) this.#host.wake(line.lp);
    }
  }

  /** A message to the LP that has it in service: the bit, then the interrupt by which it looks. */
  protected tell(lp: number, vector: number): void {
    const at = ((lpBlockAt(lp) + LpLayout.at.physicalDone) >>> 2) + (vector >>> 5);
    const bit = 1 << (vector & 31);
    if ((Atomics.or(this.#machine.i32, at, bit) & bit) === 0) this.#host.wake(lp);
  }
  #hasDone(): boolean {
    const { i32 } = this.#machine;
    const at = this.#block.physicalDone >>> 2;
    for (let word = 0; word < 8; word++) if (Atomics.load(i32, at + word) !== 0) return true;
    return false;
  }
  protected collectDone(): void {
    const { i32 } = this.#machine;
    const at = this.#block.physicalDone >>> 2;
    for (let word = 0; word < 8; word++) {
      if (Atomics.load(i32, at + word) === 0) continue;
      for (let bits = Atomics.exchange(i32, at + word, 0); bits !== 0; bits &= bits - 1)
        this.#finish(word * 32 + 31 - Math.clz32(bits & -bits));
    }
  }

  #lineOf(vector: number): number {
    return this.#machine.u8[this.#block.lineOfVector + vector] - 1;
  }

  #deliver(vector: number): void {
    const index = this.#lineOf(vector);
    const line = this.#lines.lines[index];
    if (line === undefined) {
      this.#apic.eoi(this.#lp);
      return;
    }
    line.taken++;
    line.serving = 1;
    line.takenAt = this.#host.clock();
    if (this.#host.inject(line.slot, line.vp, line.guestVector, line.level !== 0)) return;
    this.#lines.mask(index);
    this.#finish(vector);
  }

  /** The guest has finished with the vector. One that was taken from it has ended already: a level line opens again. */
  #finish(vector: number): void {
    const index = this.#lineOf(vector);
    const line = this.#lines.lines[index];
    if (line === undefined) return;
    if (line.serving !== 0) {
      line.serving = 0;
      line.finished++;
      line.finishedAt = this.#host.clock();
      this.endAtHardware(vector);
    }
    if (line.revoked === 0) return;
    line.revoked = 0;
    this.open(index);
  }
  /** A line that was masked while its guest was late. */
  protected open(index: number): void {
    this.#lines.unmask(index);
  }

  /** Ends the vector now if the hardware can, and what waited for that; else when it is the highest in service. */
  protected endAtHardware(vector: number): void {
    const { views, deferredEois } = this.#block;
    if (this.#apic.highest(this.#lp) === vector) {
      this.#apic.eoi(this.#lp);
      this.account(vector);
      this.drain();
    } else if (this.#host.endsSelectively()) {
      this.#apic.specificEoi(this.#lp, vector);
      this.account(vector);
    } else {
      addVector(views.i32, deferredEois, vector);
      this.#block.deferredTotal++;
      this.#block.deferredMax = Math.max(this.#block.deferredMax, ++this.#block.deferredNow);
    }
  }

  /** Deferred ends, from the highest in service down to the first vector that its guest still serves. */
  protected drain(): void {
    const { views, deferredEois } = this.#block;
    for (let top = this.#apic.highest(this.#lp); top >= 0 && hasVector(views.i32, deferredEois, top); top = this.#apic.highest(this.#lp)) {
      removeVector(views.i32, deferredEois, top);
      this.#block.deferredNow--;
      this.#apic.eoi(this.#lp);
      this.account(top);
    }
  }

  protected account(vector: number): void {
    const line = this.#lines.lines[this.#lineOf(vector)];
    if (line === undefined) return;
    const now = this.#host.clock();
    line.ended++;
    line.servedCycles += BigInt((now - line.takenAt) >>> 0);
    line.deferredCycles += BigInt((now - line.finishedAt) >>> 0);
  }

  /** Nobody will finish what the guests of partitions that have ended were given. */
  bury(): void {
    for (const line of this.#lines.lines)
      if (line.serving !== 0 && line.lp === this.#lp && !this.#host.isAlive(line.slot)) {
        line.revoked = 0;
        this.#finish(line.vector);
      }
  }

  /** A request that a vector in service holds back does not wait for ever. */
  #watch(): void {
    const top = this.#apic.highest(this.#lp);
    const service = top < 0 ? -1 : (this.#lines.lines[this.#lineOf(top)]?.taken ?? 0);
    const goesOn = this.#blockedSince >= 0 && top === this.#blockedBy && service === this.#blockedService;
    // Before one is revoked: what is served in its place may hold others back in its turn, from then on.
    this.#blockedBy = top;
    this.#blockedService = service;
    if (top < 0 || this.#apic.requested(this.#lp, top) < 0) this.#blockedSince = -1;
    else if (!goesOn) this.#blockedSince = this.#host.clock();
    else if (this.#host.clock() - this.#blockedSince >= this.#host.patience) this.#revoke(top);
  }

  #revoke(top: number): void {
    const index = this.#lineOf(top);
    const line = this.#lines.lines[index];
    if (line === undefined) return;
    this.#blockedSince = -1;
    this.#block.revokedEois++;
    if (line.level !== 0) this.#lines.mask(index);
    line.revoked = line.level;
    line.serving = 0;
    line.finishedAt = this.#host.clock();
    this.endAtHardware(top);
    this.serve();
  }
}
