// The real-time clock and its CMOS memory: calendar from a boot epoch plus partition time, periodic, alarm and update interrupts on IRQ 8.
// Reference: Motorola MC146818A data sheet; memory size bytes as PC firmware leaves them. Port 0x70 bit 7 (NMI mask) has no effect.
import { DeviceClock, DeviceMap, PlatformAddress, RtcRegisters } from '../../shared/layout/devices.js';
import { PartitionHeader, PartitionMap } from '../../shared/layout/partition.js';
import type { Views } from '../../shared/layout/struct.js';
import { ALARM_ANY, type Alarm, alarmSecond, calendarOf, type Format, fromRegister, secondsOf, toRegister } from './calendar.js';
import { floppyDrives } from './floppy.js';
import type { IrqLine } from './interrupt-lines.js';
import type { PortDevice } from './port-device.js';
import { nsOfTick, RTC_HZ, ticksAt } from './ticks.js';

const INDEX = 0x70;
const DATA = 0x71;
const SECOND = 1_000_000_000;
/** 1 January 2024, 00:00:00 UTC: fixed, so that runs repeat. */
export const DEFAULT_EPOCH_SECONDS = 1_704_067_200;

const Register = {
  SECONDS: 0,
  SECONDS_ALARM: 1,
  MINUTES: 2,
  MINUTES_ALARM: 3,
  HOURS: 4,
  HOURS_ALARM: 5,
  WEEKDAY: 6,
  DAY: 7,
  MONTH: 8,
  YEAR: 9,
  A: 10,
  B: 11,
  C: 12,
  D: 13,
  CENTURY: PlatformAddress.CMOS_CENTURY,
} as const;
const A_UPDATE_IN_PROGRESS = 0x80;
const A_DEFAULT = 0x26;
const B_SET = 0x80;
const B_BINARY = 0x04;
const B_24_HOURS = 0x02;
/** Interrupt enables in B, flags in C. */
const Flag = { PERIODIC: 0x40, ALARM: 0x20, UPDATE: 0x10 } as const;
const FLAGS = 0x70;
const C_REQUEST = 0x80;
const D_VALID = 0x80;
/** UIP is set this long before the second changes: 244 us of warning and 1,984 us of update cycle. */
const UPDATE_NS = 2_228_000;

export class Rtc implements PortDevice {
  private readonly r: RtcRegisters;
  private readonly clock: DeviceClock;
  private readonly header: PartitionHeader;
  private readonly cmos: Uint8Array;
  private readonly base: number;
  private readonly irq: IrqLine;
  /** Types of the floppy drives. */
  private readonly floppies: readonly number[];

  constructor(views: Views, irq: IrqLine) {
    this.floppies = floppyDrives(views).map(({ medium }) => medium.cmosType);
    this.r = new RtcRegisters(views, DeviceMap.RTC);
    this.clock = new DeviceClock(views, DeviceMap.CLOCK);
    this.header = new PartitionHeader(views, PartitionMap.HEADER);
    this.cmos = views.u8;
    this.base = this.r.cmos;
    this.irq = irq;
  }

  reset(now: number): void {
    if (this.clock.epochSecondsNum === 0) this.clock.epochSecondsNum = DEFAULT_EPOCH_SECONDS;
    this.set(Register.A, A_DEFAULT);
    this.set(Register.B, B_24_HOURS);
    this.set(Register.D, D_VALID);
    this.r.seenTickNum = ticksAt(now, RTC_HZ);
    this.r.seenSecondNum = Math.floor(now / SECOND);
    const kib = Math.floor(this.header.ramSize / 1024);
    const extended = Math.min(Math.max(kib - 1024, 0), 0xffff);
    const above16M = Math.min(Math.max(Math.floor(kib / 64) - 256, 0), 0xffff);
    const [first = 0, second = 0] = this.floppies;
    this.set(0x10, (first << 4) | second);
    // Equipment: VGA, mathematics coprocessor, floppy drives and how many beyond one.
    this.set(0x14, 0x06 | (first === 0 ? 0 : 0x01) | (second === 0 ? 0 : 0x40));
    this.setWord(0x15, Math.min(kib, 640));
    this.setWord(0x17, extended);
    this.setWord(0x30, extended);
    this.setWord(0x34, above16M);
    this.set(0x5f, (this.header.vpCount - 1) & 0xff);
  }

  read(port: number, _bytes: number, now: number): number {
    if (port === INDEX) return 0xff;
    const index = this.r.index;
    switch (index) {
      case Register.A:
        return this.get(Register.A) | (this.updating(now) ? A_UPDATE_IN_PROGRESS : 0);
      case Register.C: {
        this.advance(now);
        const flags = this.get(Register.C);
        this.set(Register.C, 0);
        this.updateLine();
        return flags;
      }
    }
    if (this.isTime(index)) this.refresh(now);
    return this.get(index);
  }

  write(port: number, _bytes: number, value: number, now: number): void {
    if (port === INDEX) {
      this.r.index = value & 0x7f;
      return;
    }
    if (port !== DATA) return;
    const index = this.r.index;
    switch (index) {
      case Register.A:
        this.set(Register.A, value & 0x7f);
        return;
      case Register.B:
        this.writeB(value, now);
        return;
      case Register.C:
      case Register.D:
        return;
    }
    if (this.isTime(index)) this.refresh(now);
    this.set(index, value);
    if (this.isTime(index) && !this.setting) this.takeTime(now);
  }

  /** Raises the flags of everything that has happened up to now, each once. */
  advance(now: number): void {
    const tick = ticksAt(now, RTC_HZ);
    const second = Math.floor(now / SECOND);
    let flags = 0;
    const period = this.period;
    if (tick > this.r.seenTickNum) {
      if (period > 0 && Math.floor(tick / period) > Math.floor(this.r.seenTickNum / period)) flags |= Flag.PERIODIC;
      this.r.seenTickNum = tick;
    }
    if (second > this.r.seenSecondNum) {
      if (!this.setting) {
        flags |= Flag.UPDATE;
        if (this.nextAlarm() <= second) flags |= Flag.ALARM;
      }
      this.r.seenSecondNum = second;
    }
    if (flags === 0) return;
    this.set(Register.C, this.get(Register.C) | flags);
    this.updateLine();
  }

  nextDeadline(): number {
    const enabled = this.get(Register.B) & FLAGS;
    // While a request stands unread in C no further edge can come.
    if (enabled === 0 || (this.get(Register.C) & C_REQUEST) !== 0 || !this.irq.open) return Number.POSITIVE_INFINITY;
    let deadline = Number.POSITIVE_INFINITY;
    const period = this.period;
    if (enabled & Flag.PERIODIC && period > 0) deadline = nsOfTick((Math.floor(this.r.seenTickNum / period) + 1) * period, RTC_HZ);
    if (this.setting) return deadline;
    if (enabled & Flag.UPDATE) deadline = Math.min(deadline, (this.r.seenSecondNum + 1) * SECOND);
    if (enabled & Flag.ALARM) deadline = Math.min(deadline, this.nextAlarm() * SECOND);
    return deadline;
  }

  private writeB(value: number, now: number): void {
    this.refresh(now);
    const wasSetting = this.setting;
    // Setting the clock clears the update-ended interrupt enable (data sheet, SET).
    this.set(Register.B, value & B_SET ? value & ~Flag.UPDATE : value);
    if (wasSetting && !this.setting) this.takeTime(now);
    this.updateLine();
  }

  /** True while the guest holds the calendar still to set it. */
  private get setting(): boolean {
    return (this.get(Register.B) & B_SET) !== 0;
  }

  private get format(): Format {
    const b = this.get(Register.B);
    return { binary: (b & B_BINARY) !== 0, hours24: (b & B_24_HOURS) !== 0 };
  }

  /** Ticks of 32,768 Hz between periodic interrupts, 0 = none (data sheet, table 5). */
  private get period(): number {
    const rate = this.get(Register.A) & 15;
    return rate === 0 ? 0 : 1 << (rate <= 2 ? rate + 6 : rate - 1);
  }

  private updating(now: number): boolean {
    return !this.setting && now % SECOND >= SECOND - UPDATE_NS;
  }

  private updateLine(): void {
    const flags = this.get(Register.C) & FLAGS;
    const request = (flags & this.get(Register.B)) !== 0;
    this.set(Register.C, flags | (request ? C_REQUEST : 0));
    this.irq.set(request);
  }

  /** Second of partition time, after the last seen one, at which the alarm fires; Infinity for never. */
  private nextAlarm(): number {
    const { format } = this;
    const field = (index: number, hours: boolean): number => {
      const raw = this.get(index);
      return raw >= 0xc0 ? ALARM_ANY : fromRegister(raw, format, hours);
    };
    const alarm: Alarm = {
      second: field(Register.SECONDS_ALARM, false),
      minute: field(Register.MINUTES_ALARM, false),
      hour: field(Register.HOURS_ALARM, true),
    };
    const shift = this.clock.epochSecondsNum + this.clock.rtcOffsetNum;
    return alarmSecond(alarm, this.r.seenSecondNum + shift) - shift;
  }

  private isTime(index: number): boolean {
    return index <= Register.YEAR || index === Register.CENTURY;
  }

  /** Brings the calendar registers up to now. */
  private refresh(now: number): void {
    if (this.setting) return;
    const { format } = this;
    const c = calendarOf(this.clock.epochSecondsNum + this.clock.rtcOffsetNum + Math.floor(now / SECOND));
    this.set(Register.SECONDS, toRegister(c.second, format, false));
    this.set(Register.MINUTES, toRegister(c.minute, format, false));
    this.set(Register.HOURS, toRegister(c.hour, format, true));
    this.set(Register.WEEKDAY, c.weekday);
    this.set(Register.DAY, toRegister(c.day, format, false));
    this.set(Register.MONTH, toRegister(c.month, format, false));
    this.set(Register.YEAR, toRegister(c.year % 100, format, false));
    this.set(Register.CENTURY, toRegister(Math.floor(c.year / 100), format, false));
  }

  /** Takes over the time that the guest has written. */
  private takeTime(now: number): void {
    const { format } = this;
    const field = (index: number, hours = false): number => fromRegister(this.get(index), format, hours);
    const seconds = secondsOf({
      year: field(Register.CENTURY) * 100 + field(Register.YEAR),
      month: field(Register.MONTH),
      day: field(Register.DAY),
      hour: field(Register.HOURS, true),
      minute: field(Register.MINUTES),
      second: field(Register.SECONDS),
    });
    this.clock.rtcOffsetNum = seconds - this.clock.epochSecondsNum - Math.floor(now / SECOND);
  }

  private get(index: number): number {
    return this.cmos[this.base + index];
  }

  private set(index: number, value: number): void {
    this.cmos[this.base + index] = value;
  }

  private setWord(index: number, value: number): void {
    this.set(index, value & 0xff);
    this.set(index + 1, value >>> 8);
  }
}
