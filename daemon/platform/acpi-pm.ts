// ACPI fixed hardware: PM1a event and control blocks, the PM timer, an empty GPE0 block, the SCI on IRQ 9 (level).
// Reference: ACPI specification 6.5, 4.8. No SMI: SCI_EN is always set, so the FADT must say SMI_CMD = 0.
import { AcpiRegisters, DeviceClockLayout, DeviceMap, PlatformAddress, PlatformRequest } from '../../shared/layout/devices.js';
import type { Views } from '../../shared/layout/struct.js';
import type { PowerWires } from './host.js';
import type { IrqLine } from './interrupt-lines.js';
import type { PortDevice } from './port-device.js';
import { nsOfTick, PM_TIMER_HZ, ticksAt } from './ticks.js';

const { PM1A_EVENT, PM1A_CONTROL, PM_TIMER, GPE0 } = PlatformAddress;
const PM1A_ENABLE = PM1A_EVENT + 2;
const GPE0_ENABLE = GPE0 + PlatformAddress.GPE0_BYTES / 2;
/** PM1 status and enable bits. */
const Pm1 = { TIMER: 0x0001, GLOBAL: 0x0020, POWER_BUTTON: 0x0100, SLEEP_BUTTON: 0x0200, RTC: 0x0400, WAKE: 0x8000 } as const;
const STATUS_BITS = Pm1.TIMER | Pm1.GLOBAL | Pm1.POWER_BUTTON | Pm1.SLEEP_BUTTON | Pm1.RTC | Pm1.WAKE;
const ENABLE_BITS = Pm1.TIMER | Pm1.GLOBAL | Pm1.POWER_BUTTON | Pm1.SLEEP_BUTTON | Pm1.RTC;
const Control = { SCI_EN: 0x0001, KEPT: 0x1c03, SLEEP_TYPE_SHIFT: 10, SLEEP_ENABLE: 0x2000 } as const;
/** TMR_STS is set whenever bit 23 of the timer changes (the 24-bit timer's top bit). */
const CARRY = 1 << 23;

export class AcpiPm implements PortDevice {
  private readonly r: AcpiRegisters;
  private readonly irq: IrqLine;
  private readonly power: PowerWires;

  constructor(views: Views, irq: IrqLine, power: PowerWires) {
    this.r = new AcpiRegisters(views, DeviceMap.ACPI);
    this.irq = irq;
    this.power = power;
  }

  reset(now: number): void {
    this.r.pm1Control = Control.SCI_EN;
    this.r.seenTickNum = ticksAt(now, PM_TIMER_HZ);
  }

  read(port: number, bytes: number, now: number): number {
    let value = 0;
    for (let i = 0; i < bytes; i++) value |= this.readByte(port + i, now) << (8 * i);
    return value >>> 0;
  }

  write(port: number, bytes: number, value: number, now: number): void {
    this.advance(now);
    for (let i = 0; i < bytes; i++) this.writeByte(port + i, (value >>> (8 * i)) & 0xff);
    this.updateLine();
  }

  advance(now: number): void {
    const tick = ticksAt(now, PM_TIMER_HZ);
    if (tick > this.r.seenTickNum) {
      if (Math.floor(tick / CARRY) > Math.floor(this.r.seenTickNum / CARRY)) this.r.pm1Status |= Pm1.TIMER;
      this.r.seenTickNum = tick;
    }
    this.updateLine();
  }

  pressPowerButton(): void {
    this.r.pm1Status |= Pm1.POWER_BUTTON;
    this.updateLine();
  }

  nextDeadline(): number {
    const { r } = this;
    if ((r.pm1Enable & Pm1.TIMER) === 0 || (r.pm1Status & Pm1.TIMER) !== 0 || !this.irq.open) return Number.POSITIVE_INFINITY;
    return nsOfTick((Math.floor(r.seenTickNum / CARRY) + 1) * CARRY, PM_TIMER_HZ);
  }

  private updateLine(): void {
    const { r } = this;
    this.irq.set((r.pm1Status & r.pm1Enable) !== 0 || (r.gpeStatus & r.gpeEnable) !== 0);
  }

  private readByte(port: number, now: number): number {
    const { r } = this;
    const at = (word: number, base: number): number => (word >>> (8 * (port - base))) & 0xff;
    if (port >= PM_TIMER && port < PM_TIMER + 4) return at(ticksAt(now, PM_TIMER_HZ) % 0x1_0000_0000, PM_TIMER);
    if (port >= PM1A_CONTROL && port < PM1A_CONTROL + 2) return at(r.pm1Control, PM1A_CONTROL);
    if (port >= PM1A_ENABLE && port < PM1A_ENABLE + 2) return at(r.pm1Enable, PM1A_ENABLE);
    if (port >= PM1A_EVENT && port < PM1A_EVENT + 2) return at(r.pm1Status, PM1A_EVENT);
    if (port >= GPE0_ENABLE && port < GPE0_ENABLE + 2) return at(r.gpeEnable, GPE0_ENABLE);
    if (port >= GPE0 && port < GPE0 + 2) return at(r.gpeStatus, GPE0);
    return 0;
  }

  private writeByte(port: number, byte: number): void {
    const { r } = this;
    const into = (word: number, base: number): number => (word & ~(0xff << (8 * (port - base)))) | (byte << (8 * (port - base)));
    if (port >= PM1A_CONTROL && port < PM1A_CONTROL + 2) this.control(into(r.pm1Control, PM1A_CONTROL));
    else if (port >= PM1A_ENABLE && port < PM1A_ENABLE + 2) r.pm1Enable = into(r.pm1Enable, PM1A_ENABLE) & ENABLE_BITS;
    else if (port >= PM1A_EVENT && port < PM1A_EVENT + 2) r.pm1Status &= ~(byte << (8 * (port - PM1A_EVENT))) & STATUS_BITS;
    else if (port >= GPE0_ENABLE && port < GPE0_ENABLE + 2) r.gpeEnable = into(r.gpeEnable, GPE0_ENABLE);
    else if (port >= GPE0 && port < GPE0 + 2) r.gpeStatus &= ~(byte << (8 * (port - GPE0)));
  }

  /** SLP_EN always reads 0; soft off is the only sleep state. */
  private control(value: number): void {
    this.r.pm1Control = (value & Control.KEPT) | Control.SCI_EN;
    const sleepType = (value >>> Control.SLEEP_TYPE_SHIFT) & 7;
    if (value & Control.SLEEP_ENABLE && sleepType === PlatformAddress.S5_SLEEP_TYPE) this.power.powerOff();
  }
}

/** For root: presses the power button. The caller then kicks an LP of the partition, whose `advance` sets PWRBTN_STS. */
export const pressPowerButton = (views: Views): void => {
  Atomics.or(views.i32, (DeviceMap.CLOCK + DeviceClockLayout.at.requests) >>> 2, PlatformRequest.POWER_BUTTON);
};
