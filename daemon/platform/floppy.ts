// The floppy controller with up to two drives, by DMA: what a BIOS reads a boot floppy by. Root reads and writes the image, a part of a track at a time (drive-request.ts).
//
//   command phase -> all bytes there: done at once, or   execution phase -> posted -> due and done: by DMA to or from RAM, next track or:   result phase, interrupt
//   seeks are under way beside that; their ends, and a reset, interrupt, and wait for SENSE INTERRUPT STATUS
//
// It has no mechanics: heads are where they are wanted at once, motors always turn, the medium is never changed. What SeaBIOS asks of a controller that is not in every data
// sheet, but in the one of QEMU: a transfer goes to its cylinder by itself; sector 0 is the one before sector 1; a last sector beyond the track's end means that tracks follow.
// Not there: data by programmed input and output (ends as an overrun), FORMAT TRACK (as on a medium that is protected), deleted data, scans.
// Why nothing a driver does can harm: sectors are within the medium before they are asked for, and the DMA controller keeps to RAM.
// Reference: Intel 82077AA data sheet (290166), 2 (registers), 5, 6.
import { SECTOR_BYTES } from '../../shared/abi/virtio.js';
import { type FloppyMedium, floppyOf } from '../../shared/devices/floppy-media.js';
import { DiskOperation } from '../../shared/layout/block-buffer.js';
import { DeviceMap, FloppyRegisters, PlatformAddress } from '../../shared/layout/devices.js';
import type { Views } from '../../shared/layout/struct.js';
import { type VirtualDevice, VirtualDeviceKind } from '../../shared/layout/virtual-devices.js';
import type { Dma } from './dma.js';
import { type DriveHost, DriveRequest, drivesOf, LATENCY_NS } from './drive-request.js';
import { Command, formOf, MainStatus, Option, Status0, Status1, Status3, VERSION } from './floppy-commands.js';
import type { IrqLine } from './interrupt-lines.js';
import { allOnes, type PortDevice } from './port-device.js';

const Register = { DIGITAL_OUTPUT: 2, MAIN_STATUS: 4, DATA: 5, DIGITAL_INPUT: 7 } as const;
/** Digital output register. DMAGATE disables nothing, as on the PS/2: SeaBIOS resets with that bit clear and waits for the interrupt. */
const NOT_RESET = 0x04;
/** Data rate select register. */
const Select = { RATE: 0x03, RESET: 0x80 } as const;
const RATE_AT_POWER_ON = 2;
const Phase = { COMMAND: 0, EXECUTION: 1, RESULT: 2 } as const;
/** The parameter that most commands begin with. */
const Unit = { DRIVE: 0x03, HEAD: 0x04 } as const;
const DRIVES = 4;
/** Size code of 512 bytes. */
const SIZE_CODE = 2;
const NO_DMA = 0x01;
/** Second parameter of CONFIGURE: no FIFO at power on; no polling, and so no interrupts of drives after a reset. */
const Configured = { NO_FIFO: 0x20, NO_POLLING: 0x10 } as const;
const SEEK_NS = LATENCY_NS;

interface Drive {
  readonly device: VirtualDevice;
  readonly medium: FloppyMedium;
}

/** The partition's floppy drives. */
export const floppyDrives = (views: Views): readonly Drive[] =>
  drivesOf(views, VirtualDeviceKind.FLOPPY).flatMap((device) => {
    const medium = floppyOf(device.sectorsNum);
    return medium === undefined ? [] : [{ device, medium }];
  });

export class Floppy implements PortDevice {
  private readonly views: Views;
  private readonly r: FloppyRegisters;
  private readonly irq: IrqLine;
  private readonly dma: Dma;
  private readonly request: DriveRequest;
  private readonly drives: readonly Drive[];

  constructor(views: Views, irq: IrqLine, dma: Dma, host: DriveHost) {
    this.views = views;
    this.r = new FloppyRegisters(views, DeviceMap.FLOPPY);
    this.irq = irq;
    this.dma = dma;
    this.request = new DriveRequest(views, this.r, host);
    this.drives = floppyDrives(views);
  }

  reset(): void {
    this.r.rate = RATE_AT_POWER_ON;
    this.beginReset();
  }

  read(port: number, bytes: number): number {
    if (this.drives.length === 0) return allOnes(bytes);
    switch (port - PlatformAddress.FLOPPY) {
      case Register.DIGITAL_OUTPUT:
        return this.r.digitalOutput;
      case Register.MAIN_STATUS:
        return this.mainStatus;
      case Register.DATA:
        return this.takeByte();
      case Register.DIGITAL_INPUT:
        return 0;
    }
    return allOnes(bytes);
  }

  write(port: number, _bytes: number, value: number, now: number): void {
    if (this.drives.length === 0) return;
    switch (port - PlatformAddress.FLOPPY) {
      case Register.DIGITAL_OUTPUT: {
        const wasReset = this.isReset;
        this.r.digitalOutput = value;
        if (this.isReset) this.beginReset();
        else if (wasReset) this.endReset();
        break;
      }
      case Register.MAIN_STATUS: // data rate select
        this.r.rate = value & Select.RATE;
        if ((value & Select.RESET) === 0 || this.isReset) break;
        this.beginReset();
        this.endReset();
        break;
      case Register.DATA:
        this.giveByte(value, now);
        break;
      case Register.DIGITAL_INPUT: // configuration control
        this.r.rate = value & Select.RATE;
        break;
    }
  }

  /** Goes on with what is due, if root has done it. */
  advance(now: number): void {
    const { r } = this;
    if (r.seeking !== 0 && r.seekDueNum <= now) this.endSeeks();
    if (r.phase !== Phase.EXECUTION) return;
    if (r.waiting === 0) {
      if (r.dueNum <= now) this.end(r.failure);
      return;
    }
    const drive = this.drives[r.drive];
    const isGood = this.request.outcome(drive.device, now);
    if (isGood !== undefined) this.carriedOut(drive, isGood, now);
  }
  deadline(): number {
    const { r } = this;
    const seeks = r.seeking === 0 ? Number.POSITIVE_INFINITY : r.seekDueNum;
    if (r.phase !== Phase.EXECUTION) return seeks;
    return Math.min(seeks, r.waiting === 0 ? r.dueNum : this.request.deadline(this.drives[r.drive].device));
  }

  // --- phases ----------------------------------------------------------------------------------------------------------------------------------------

  private get isReset(): boolean {
    return (this.r.digitalOutput & NOT_RESET) === 0;
  }
  private get mainStatus(): number {
    const { r } = this;
    if (this.isReset) return 0;
    if (r.phase === Phase.EXECUTION) return MainStatus.BUSY | r.seeking;
    if (r.phase === Phase.RESULT) return MainStatus.REQUEST | MainStatus.TO_PROCESSOR | MainStatus.BUSY | r.seeking;
    return MainStatus.REQUEST | (r.count === 0 ? 0 : MainStatus.BUSY) | r.seeking;
  }

  private beginReset(): void {
    const { r, views } = this;
    this.request.giveUp();
    r.phase = Phase.COMMAND;
    r.count = r.seeking = r.sought = r.resets = 0;
    views.u8.fill(0, r.cylinders, r.cylinders + DRIVES);
    if (r.locked === 0) {
      views.u8[r.configured] = Configured.NO_FIFO;
      views.u8[r.configured + 1] = 0;
    }
    this.setInterrupt(false);
  }
  private endReset(): void {
    if ((this.views.u8[this.r.configured] & Configured.NO_POLLING) !== 0) return;
    this.r.resets = DRIVES;
    this.setInterrupt(true);
  }

  private giveByte(value: number, now: number): void {
    const { r, views } = this;
    if (this.isReset || r.phase !== Phase.COMMAND) return;
    views.u8[r.bytes + r.count++] = value;
    const { command, parameters } = formOf(this.byte(0));
    if (r.count <= parameters) return;
    r.count = 0;
    if (command !== Command.SENSE_INTERRUPT) r.resets = 0;
    this.execute(command, now);
  }
  private takeByte(): number {
    const { r } = this;
    if (r.phase !== Phase.RESULT) return 0;
    if (r.next === 0 && r.sought === 0) this.setInterrupt(false);
    const value = this.byte(r.next++);
    if (r.next === r.count) {
      r.phase = Phase.COMMAND;
      r.count = 0;
    }
    return value;
  }
  private result(...bytes: number[]): void {
    const { r, views } = this;
    views.u8.set(bytes, r.bytes);
    r.phase = Phase.RESULT;
    r.count = bytes.length;
    r.next = 0;
  }

  // --- commands --------------------------------------------------------------------------------------------------------------------------------------

  private execute(command: Command, now: number): void {
    const { r, views } = this;
    switch (command) {
      case Command.SPECIFY:
        views.u8.set([this.byte(1), this.byte(2)], r.specified);
        return;
      case Command.CONFIGURE:
        views.u8.set([this.byte(2), this.byte(3)], r.configured);
        return;
      case Command.PERPENDICULAR:
        r.perpendicular = this.byte(1) & 0x7f;
        return;
      case Command.LOCK:
        r.locked = (this.byte(0) & Option.LOCK) === 0 ? 0 : 1;
        this.result(r.locked << 4);
        return;
      case Command.VERSION:
        this.result(VERSION);
        return;
      case Command.DUMP:
        this.dump();
        return;
      case Command.SENSE_INTERRUPT:
        this.senseInterrupt();
        return;
      case Command.SENSE_DRIVE:
        this.senseDrive();
        return;
      case Command.SEEK:
        this.seek(this.byte(2), Status0.SEEK_END | (this.byte(1) & Unit.HEAD), now);
        return;
      case Command.RECALIBRATE:
        this.seek(0, this.named === undefined ? Status0.SEEK_END | Status0.ABNORMAL | Status0.NO_TRACK_0 : Status0.SEEK_END, now);
        return;
      case Command.READ_ID:
        this.readId(now);
        return;
      case Command.READ:
      case Command.WRITE:
        this.beginTransfer(now);
        return;
      case Command.FORMAT:
        this.name();
        this.endLater(Status1.NOT_WRITABLE, now);
        return;
      default:
        this.result(Status0.INVALID);
    }
  }

  private dump(): void {
    const { r, views } = this;
    this.result(
      ...views.u8.slice(r.cylinders, r.cylinders + DRIVES),
      ...views.u8.slice(r.specified, r.specified + 2),
      r.lastSector,
      (r.locked << 7) | r.perpendicular,
      ...views.u8.slice(r.configured, r.configured + 2),
    );
  }
  private senseDrive(): void {
    const { r, views } = this;
    const unit = this.byte(1) & (Unit.DRIVE | Unit.HEAD);
    const drive = this.named;
    const isProtected = drive !== undefined && drive.device.readOnly !== 0;
    const isAtTrack0 = drive !== undefined && views.u8[r.cylinders + (unit & Unit.DRIVE)] === 0;
    this.result(Status3.ALWAYS | unit | (isProtected ? Status3.PROTECTED : 0) | (isAtTrack0 ? Status3.TRACK_0 : 0));
  }
  private senseInterrupt(): void {
    const { r, views } = this;
    let status: number = Status0.INVALID;
    let drive = 0;
    if (r.resets > 0) {
      drive = DRIVES - r.resets--;
      status = Status0.POLLED | drive;
    } else if (r.sought !== 0) {
      while ((r.sought & (1 << drive)) === 0) drive++;
      r.sought &= ~(1 << drive);
      status = views.u8[r.seekStatus + drive];
    } else {
      this.result(status);
      return;
    }
    this.setInterrupt(r.sought !== 0);
    this.result(status, views.u8[r.cylinders + drive]);
  }

  private seek(cylinder: number, status: number, now: number): void {
    const { r, views } = this;
    const drive = this.byte(1) & Unit.DRIVE;
    views.u8[r.cylinders + drive] = cylinder;
    views.u8[r.seekStatus + drive] = status | drive;
    r.seeking |= 1 << drive;
    r.seekDueNum = now + SEEK_NS;
  }
  private endSeeks(): void {
    const { r } = this;
    r.sought |= r.seeking;
    r.seeking = 0;
    this.setInterrupt(true);
  }

  private readId(now: number): void {
    const { r, views } = this;
    this.name();
    r.cylinder = views.u8[r.cylinders + r.drive];
    r.sector = 1;
    this.endLater(this.isReadable() ? 0 : Status1.NO_ADDRESS_MARK, now);
  }

  // --- data ------------------------------------------------------------------------------------------------------------------------------------------

  private get isWrite(): boolean {
    return formOf(this.byte(0)).command === Command.WRITE;
  }

  private beginTransfer(now: number): void {
    const { r, views } = this;
    this.name();
    const [cylinder, head, sector, size, last] = views.u8.slice(r.bytes + 2, r.bytes + 7);
    r.cylinder = views.u8[r.cylinders + r.drive] = cylinder;
    r.sector = sector;
    r.lastSector = last;
    const drive = this.drives[r.drive];
    if (!this.isReadable()) this.endLater(Status1.NO_ADDRESS_MARK, now);
    else if (head !== r.head || size !== SIZE_CODE) this.endLater(Status1.NO_DATA, now);
    else if (this.isWrite && drive.device.readOnly !== 0) this.endLater(Status1.NOT_WRITABLE, now);
    else if ((views.u8[r.specified + 1] & NO_DMA) !== 0) this.endLater(Status1.OVERRUN, now);
    else this.transfer(drive, now);
  }

  /** From the sector on, as far as the track goes and the DMA channel wants. */
  private transfer(drive: Drive, now: number): void {
    const { r, views, dma } = this;
    const { heads, trackSectors } = drive.medium;
    const first = (r.cylinder * heads + r.head) * trackSectors + r.sector - 1;
    const wanted = dma.demand(PlatformAddress.FLOPPY_DMA, this.isWrite ? 'from-memory' : 'to-memory');
    if (first < 0 || r.sector > trackSectors) this.endLater(Status1.NO_DATA, now);
    else if (wanted === 0 || !this.request.take(drive.device)) this.endLater(Status1.OVERRUN, now);
    else {
      r.phase = Phase.EXECUTION;
      r.sectors = Math.min(this.trackEnd(drive) - r.sector + 1, Math.ceil(wanted / SECTOR_BYTES));
      const bytes = r.sectors * SECTOR_BYTES;
      if (this.isWrite) {
        const at = this.request.data(drive.device);
        // The rest of a sector that was not given is zeros.
        r.ends = dma.fromMemory(PlatformAddress.FLOPPY_DMA, views.u8.subarray(at, at + bytes).fill(0)) ? 1 : 0;
      }
      this.request.post(drive.device, this.isWrite ? DiskOperation.WRITE : DiskOperation.READ, first * SECTOR_BYTES, bytes, now);
    }
  }

  private carriedOut({ device, medium }: Drive, isGood: boolean, now: number): void {
    const { r, views, dma } = this;
    const bytes = r.sectors * SECTOR_BYTES;
    if (!isGood) {
      device.failures++;
      this.end(Status1.DATA_ERROR);
      return;
    }
    if (this.isWrite) {
      device.outs++;
      device.outBytesNum += bytes;
    } else {
      const at = this.request.data(device);
      r.ends = dma.toMemory(PlatformAddress.FLOPPY_DMA, views.u8.subarray(at, at + bytes)) ? 1 : 0;
      device.ins++;
      device.inBytesNum += bytes;
    }
    const { head } = r;
    const goesOn = this.step({ device, medium });
    if (r.ends !== 0) this.end(0, head);
    else if (goesOn) this.transfer({ device, medium }, now);
    else this.end(Status1.END_OF_CYLINDER, head);
  }

  /** To the sector that follows; false: a transfer that has not come to its end does not go on there. */
  private step(drive: Drive): boolean {
    const { r } = this;
    const { cylinders, trackSectors } = drive.medium;
    const end = this.trackEnd(drive);
    r.sector += r.sectors;
    if (r.sector <= end) return true;
    r.sector = 1;
    const both = (this.byte(0) & Option.MULTI_TRACK) !== 0;
    if (both) r.head ^= 1;
    if (both && r.head === 1) return true;
    r.cylinder++;
    return both && r.lastSector > trackSectors && r.cylinder < cylinders;
  }
  /** The last sector of the track that is reached from where it is: the one that was named, if it comes. */
  private trackEnd({ medium: { trackSectors } }: Drive): number {
    const { sector, lastSector } = this.r;
    return lastSector < sector ? trackSectors : Math.min(lastSector, trackSectors);
  }

  /** The drive that the command's first parameter names. */
  private get named(): Drive | undefined {
    return this.drives[this.byte(1) & Unit.DRIVE];
  }
  /** The transfer that is under way has that drive and head. */
  private name(): void {
    const { r } = this;
    r.drive = this.byte(1) & Unit.DRIVE;
    r.head = (this.byte(1) & Unit.HEAD) >>> 2;
    r.cylinder = r.sector = 0;
  }
  /** There is a medium with tracks where the head is, of the density and rate that are asked for. */
  private isReadable(): boolean {
    const { r } = this;
    const medium = this.drives[r.drive]?.medium;
    return medium !== undefined && (this.byte(0) & Option.MFM) !== 0 && r.rate === medium.rate && r.cylinder < medium.cylinders;
  }

  private endLater(failure: number, now: number): void {
    const { r } = this;
    r.phase = Phase.EXECUTION;
    r.failure = failure;
    r.dueNum = now + LATENCY_NS;
  }
  /** `head`: the one that was last at work; the address of the result is that of the sector that follows. */
  private end(failure: number, head = this.r.head): void {
    const { r } = this;
    const status = (failure === 0 ? 0 : Status0.ABNORMAL) | (head << 2) | r.drive;
    // ST2 says of a data error that it was in the data, not in the address.
    this.result(status, failure, failure & Status1.DATA_ERROR, r.cylinder, r.head, r.sector, SIZE_CODE);
    this.setInterrupt(true);
  }

  // --- registers -------------------------------------------------------------------------------------------------------------------------------------

  private byte(index: number): number {
    return this.views.u8[this.r.bytes + index];
  }
  /** Each reason is an edge, though an earlier one may not have been looked at. */
  private setInterrupt(pending: boolean): void {
    this.r.interrupt = pending ? 1 : 0;
    if (pending) this.irq.edge();
    else this.irq.set(false);
  }
}
