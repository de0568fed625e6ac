// One counter of the 8254, computed from the tick count of virtual time instead of counted: any read, and any idle time, costs the same.
// Reference: Intel 8254 data sheet (231164-005), modes 0 to 5. Times are ticks of 1.193182 MHz since partition time 0.
import { PitChannel as Registers } from '../../shared/layout/devices.js';
import type { Views } from '../../shared/layout/struct.js';

const Mode = { TERMINAL_COUNT: 0, ONE_SHOT: 1, RATE_GENERATOR: 2, SQUARE_WAVE: 3, SOFTWARE_STROBE: 4, HARDWARE_STROBE: 5 } as const;
const LOW_BYTE = 1;
const HIGH_BYTE = 2;
export const NO_TICK = Number.MAX_SAFE_INTEGER;

const fromBcd = (v: number): number => (v >>> 12) * 1000 + ((v >>> 8) & 15) * 100 + ((v >>> 4) & 15) * 10 + (v & 15);
const toBcd = (n: number): number =>
  ((Math.floor(n / 1000) % 10) << 12) | ((Math.floor(n / 100) % 10) << 8) | ((Math.floor(n / 10) % 10) << 4) | (n % 10);

export class PitCounter {
  private readonly r: Registers;

  constructor(views: Views, base: number) {
    this.r = new Registers(views, base);
  }

  reset(gate: boolean): void {
    this.r.mode = Mode.SQUARE_WAVE;
    this.r.access = LOW_BYTE | HIGH_BYTE;
    this.r.gate = gate ? 1 : 0;
    this.r.reload = 0x10000;
  }

  /** Control word (bits 5:0): the counter stops until a count is written. */
  control(word: number, tick: number): void {
    const { r } = this;
    const mode = (word >>> 1) & 7;
    r.mode = mode > 5 ? mode - 4 : mode;
    r.access = (word >>> 4) & 3;
    r.bcd = word & 1;
    r.loaded = 0;
    r.triggered = 0;
    r.pending = 0;
    r.writeHigh = 0;
    r.readHigh = 0;
    r.latched = 0;
    r.statusLatched = 0;
    r.seenTickNum = tick;
  }

  writeCount(byte: number, tick: number): void {
    const { r } = this;
    if (r.access === LOW_BYTE) this.load(byte, tick);
    else if (r.access === HIGH_BYTE) this.load(byte << 8, tick);
    else if (r.writeHigh === 0) {
      r.writeLow = byte;
      r.writeHigh = 1;
      // Mode 0: the first byte stops the count and takes OUT low.
      if (r.mode === Mode.TERMINAL_COUNT) r.loaded = 0;
    } else {
      r.writeHigh = 0;
      this.load((byte << 8) | r.writeLow, tick);
    }
  }

  readCount(tick: number): number {
    const { r } = this;
    if (r.statusLatched) {
      r.statusLatched = 0;
      return r.status;
    }
    if (r.latched > 0) {
      const high = r.access === HIGH_BYTE || (r.access !== LOW_BYTE && r.latched === 1);
      r.latched--;
      return high ? r.latch >>> 8 : r.latch & 0xff;
    }
    const count = this.count(tick);
    if (r.access === LOW_BYTE) return count & 0xff;
    if (r.access === HIGH_BYTE) return count >>> 8;
    r.readHigh ^= 1;
    return r.readHigh ? count & 0xff : count >>> 8;
  }

  /** Counter latch command: a latch that has not been read stays. */
  latchCount(tick: number): void {
    const { r } = this;
    if (r.latched > 0) return;
    r.latch = this.count(tick);
    r.latched = r.access === (LOW_BYTE | HIGH_BYTE) ? 2 : 1;
  }

  /** Read-back of the status byte: OUT, null count, access, mode, BCD. */
  latchStatus(tick: number): void {
    const { r } = this;
    if (r.statusLatched) return;
    this.switchReload(tick);
    const nullCount = r.loaded === 0 || r.pending !== 0 || this.elapsed(tick) < 0;
    r.status = (this.out(tick) ? 0x80 : 0) | (nullCount ? 0x40 : 0) | (r.access << 4) | (r.mode << 1) | r.bcd;
    r.statusLatched = 1;
  }

  setGate(high: boolean, tick: number): void {
    const { r } = this;
    if ((r.gate === 1) === high) return;
    this.switchReload(tick);
    r.gate = high ? 1 : 0;
    if (!high) {
      r.pausedTickNum = tick;
      return;
    }
    switch (r.mode) {
      case Mode.TERMINAL_COUNT:
      case Mode.SOFTWARE_STROBE:
        r.startTickNum += tick - r.pausedTickNum;
        break;
      default:
        this.takePending();
        r.startTickNum = tick + 1;
        r.triggered = r.loaded;
    }
  }

  /** Level of OUT. */
  out(tick: number): boolean {
    const { r } = this;
    this.switchReload(tick);
    if (r.loaded === 0) return r.mode !== Mode.TERMINAL_COUNT;
    const d = this.elapsed(tick);
    switch (r.mode) {
      case Mode.TERMINAL_COUNT:
        return d >= r.reload;
      case Mode.ONE_SHOT:
        return r.triggered === 0 || d < 0 || d >= r.reload;
      case Mode.RATE_GENERATOR:
        return r.gate === 0 || d < 0 || r.reload === 1 || d % r.reload !== r.reload - 1;
      case Mode.SQUARE_WAVE:
        return r.gate === 0 || d < 0 || d % r.reload < (r.reload + 1) >>> 1;
      case Mode.SOFTWARE_STROBE:
        return d !== r.reload;
      default:
        return r.triggered === 0 || d !== r.reload;
    }
  }

  /** True when OUT has risen at least once since the last call (or the control word). The gate must be high, as channel 0's is. */
  takeRise(tick: number): boolean {
    const { r } = this;
    const seen = r.seenTickNum;
    if (tick <= seen) return false;
    let rose = false;
    if (r.pending !== 0 && r.loaded === 1 && tick >= r.switchTickNum) {
      rose = this.rises(seen, r.switchTickNum);
      r.seenTickNum = r.switchTickNum;
      this.switchReload(tick);
    }
    rose = this.rises(r.seenTickNum, tick) || rose;
    r.seenTickNum = tick;
    return rose;
  }

  /** Level of OUT at the time that `takeRise` has reached: never goes back when LPs' clocks differ a little. */
  get level(): boolean {
    return this.out(this.r.seenTickNum);
  }

  /** Tick of the next rise of OUT that `takeRise` would report, or of a change of period before it. */
  nextRise(): number {
    const { r } = this;
    if (r.loaded === 0) return NO_TICK;
    const start = r.startTickNum;
    const seen = r.seenTickNum;
    switch (r.mode) {
      case Mode.RATE_GENERATOR:
      case Mode.SQUARE_WAVE: {
        const next = start + (Math.floor(Math.max(seen - start, 0) / r.reload) + 1) * r.reload;
        return r.pending !== 0 ? Math.min(next, r.switchTickNum) : next;
      }
      case Mode.TERMINAL_COUNT:
        return seen < start + r.reload ? start + r.reload : NO_TICK;
      case Mode.SOFTWARE_STROBE:
        return seen < start + r.reload + 1 ? start + r.reload + 1 : NO_TICK;
      default:
        return NO_TICK;
    }
  }

  /** A count takes effect at the clock after it is written (modes 0, 4, or a stopped counter), at the end of the period (2), of the half period (3), or at the next trigger (1, 5). */
  private load(value: number, tick: number): void {
    const { r } = this;
    this.switchReload(tick);
    const count = (r.bcd ? fromBcd(value) : value) || (r.bcd ? 10000 : 0x10000);
    const periodic = r.mode === Mode.RATE_GENERATOR || r.mode === Mode.SQUARE_WAVE;
    // Another LP may have been here with a clock a little ahead: what has been seen is not taken back.
    const d = Math.max(tick, r.seenTickNum) - r.startTickNum;
    if (r.loaded === 1 && periodic && r.gate === 1 && d >= 0) {
      r.pending = count;
      const periodEnd = r.startTickNum + (Math.floor(d / r.reload) + 1) * r.reload;
      const half = (r.reload + 1) >>> 1;
      r.switchTickNum = r.mode === Mode.SQUARE_WAVE && d % r.reload < half ? periodEnd - r.reload + half : periodEnd;
      return;
    }
    if (r.loaded === 1 && (r.mode === Mode.ONE_SHOT || r.mode === Mode.HARDWARE_STROBE)) {
      r.pending = count;
      r.switchTickNum = NO_TICK;
      return;
    }
    r.reload = count;
    r.loaded = 1;
    r.startTickNum = tick + 1;
    r.pausedTickNum = tick + 1;
    r.seenTickNum = tick;
  }

  private takePending(): void {
    const { r } = this;
    if (r.pending === 0) return;
    r.reload = r.pending;
    r.pending = 0;
  }

  /** Starts the new period of a pending count whose time has come. */
  private switchReload(tick: number): void {
    const { r } = this;
    if (r.pending === 0 || tick < r.switchTickNum || r.gate === 0) return;
    const atHalf = r.mode === Mode.SQUARE_WAVE && (r.switchTickNum - r.startTickNum) % r.reload !== 0;
    const at = r.switchTickNum;
    this.takePending();
    // From the middle of a square wave on, only the new low half remains.
    r.startTickNum = atHalf ? at - ((r.reload + 1) >>> 1) : at;
  }

  /** Clocks counted; negative before the count is loaded. A low gate freezes all modes but the triggered ones. */
  private elapsed(tick: number): number {
    const { r } = this;
    const frozen = r.gate === 0 && r.mode !== Mode.ONE_SHOT && r.mode !== Mode.HARDWARE_STROBE;
    return (frozen ? r.pausedTickNum : tick) - r.startTickNum;
  }

  private rises(after: number, upTo: number): boolean {
    const { r } = this;
    if (r.loaded === 0 || upTo <= after) return false;
    const a = Math.max(after - r.startTickNum, 0);
    const b = upTo - r.startTickNum;
    if (b <= 0) return false;
    switch (r.mode) {
      case Mode.RATE_GENERATOR:
      case Mode.SQUARE_WAVE:
        return Math.floor(b / r.reload) > Math.floor(a / r.reload);
      case Mode.TERMINAL_COUNT:
        return a < r.reload && b >= r.reload;
      case Mode.SOFTWARE_STROBE:
        return a <= r.reload && b > r.reload;
      default:
        return false;
    }
  }

  /** The counting element, in the number system of the control word. */
  private count(tick: number): number {
    const { r } = this;
    this.switchReload(tick);
    const value = this.binaryCount(tick);
    return r.bcd ? toBcd(value % 10000) : value & 0xffff;
  }

  private binaryCount(tick: number): number {
    const { r } = this;
    const d = this.elapsed(tick);
    if (r.loaded === 0 || d < 0) return r.reload;
    switch (r.mode) {
      case Mode.RATE_GENERATOR:
        return r.reload - (d % r.reload);
      case Mode.SQUARE_WAVE: {
        // Counts down by two in each half; an odd count loses its 1 first.
        const phase = d % r.reload;
        const half = (r.reload + 1) >>> 1;
        return (r.reload - 2 * (phase < half ? phase : phase - half)) & ~1;
      }
      case Mode.ONE_SHOT:
      case Mode.HARDWARE_STROBE:
        if (r.triggered === 0) return r.reload;
        break;
    }
    const modulus = r.bcd ? 10000 : 0x10000;
    return (((r.reload - d) % modulus) + modulus) % modulus;
  }
}
