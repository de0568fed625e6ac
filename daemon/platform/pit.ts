// The PC's 8254: channel 0 drives IRQ 0, channel 1 was memory refresh, channel 2 the speaker with its gate at port 0x61.
// Reference: Intel 8254 data sheet (231164-005); port 0x61: 82371SB (PIIX3) data sheet, 2.5.5.2 (NMI status and control).
import { DeviceMap, PitChannelLayout, PortB } from '../../shared/layout/devices.js';
import type { Views } from '../../shared/layout/struct.js';
import type { IrqLine } from './interrupt-lines.js';
import { NO_TICK, PitCounter } from './pit-channel.js';
import type { PortDevice } from './port-device.js';
import { nsOfTick, PIT_HZ, ticksAt } from './ticks.js';

const CHANNEL0 = 0x40;
const CONTROL = 0x43;
const PORT_B = 0x61;
const READ_BACK = 3;
/** Port 0x61. */
const GATE2 = 0x01;
const WRITABLE = 0x0f;
const REFRESH = 0x10;
const OUT2 = 0x20;
const REFRESH_HALF_PERIOD_NS = 15_085;
/** Wake-ups for channel 0 come no faster than this: a guest that sets a count of 1 costs its LP a bounded share of time, and loses edges. */
const MIN_INTERRUPT_NS = 10_000;

export class Pit implements PortDevice {
  private readonly channels: readonly PitCounter[];
  private readonly portB: PortB;
  private readonly irq: IrqLine;

  constructor(views: Views, irq: IrqLine) {
    this.channels = [0, 1, 2].map((n) => new PitCounter(views, DeviceMap.PIT + n * PitChannelLayout.size));
    this.portB = new PortB(views, DeviceMap.PORT_B);
    this.irq = irq;
  }

  reset(): void {
    this.channels[0].reset(true);
    this.channels[1].reset(true);
    this.channels[2].reset(false);
  }

  read(port: number, _bytes: number, now: number): number {
    const tick = ticksAt(now, PIT_HZ);
    if (port === CONTROL) return 0xff;
    if (port !== PORT_B) return this.channels[port - CHANNEL0].readCount(tick);
    const refresh = Math.floor(now / REFRESH_HALF_PERIOD_NS) % 2 === 1 ? REFRESH : 0;
    return this.portB.control | refresh | (this.channels[2].out(tick) ? OUT2 : 0);
  }

  write(port: number, _bytes: number, value: number, now: number): void {
    const tick = ticksAt(now, PIT_HZ);
    if (port === PORT_B) {
      this.portB.control = value & WRITABLE;
      this.channels[2].setGate((value & GATE2) !== 0, tick);
    } else if (port === CONTROL) this.control(value, tick);
    else this.channels[port - CHANNEL0].writeCount(value, tick);
    this.irq.set(this.channels[0].level);
  }

  /** Raises IRQ 0 once for all rises of OUT 0 up to now; the phase is kept. */
  advance(now: number): void {
    const tick = ticksAt(now, PIT_HZ);
    if (this.channels[0].takeRise(tick)) {
      this.portB.lastInterruptNum = now;
      this.irq.edge();
    }
    this.irq.set(this.channels[0].level);
  }

  nextDeadline(): number {
    if (!this.irq.open) return Number.POSITIVE_INFINITY;
    const tick = this.channels[0].nextRise();
    if (tick === NO_TICK) return Number.POSITIVE_INFINITY;
    return Math.max(nsOfTick(tick, PIT_HZ), this.portB.lastInterruptNum + MIN_INTERRUPT_NS);
  }

  private control(word: number, tick: number): void {
    const select = word >>> 6;
    if (select === READ_BACK) {
      for (let n = 0; n < 3; n++) {
        if ((word & (2 << n)) === 0) continue;
        if ((word & 0x20) === 0) this.channels[n].latchCount(tick);
        if ((word & 0x10) === 0) this.channels[n].latchStatus(tick);
      }
    } else if ((word & 0x30) === 0) this.channels[select].latchCount(tick);
    else this.channels[select].control(word & 0x3f, tick);
  }
}
