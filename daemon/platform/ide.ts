// The primary IDE channel with up to two disks, by programmed input and output: what a BIOS reads its boot disk by. Root reads and writes the file in pieces of at most 64 KiB,
// as for virtio disks (drive-request.ts).
//
//   read:   command -> BSY, piece posted -> due and done: DRQ, interrupt -> 256 words: next sector, or next piece, or the end
//   write:  command -> DRQ -> 256 words: next sector, interrupt; a whole piece: BSY, posted -> due and done: interrupt, DRQ for the next piece, or the end
//
// Why nothing a driver does can harm: it reaches data through one port and `position`, which stays below the piece; a command that comes in the midst of another gives that up.
// Reference: ATA/ATAPI-6 (T13/1410D), 6.16, 7, 8, 9.
import { SECTOR_BYTES } from '../../shared/abi/virtio.js';
import { DiskOperation, PIECE_BYTES } from '../../shared/layout/block-buffer.js';
import { DeviceMap, IdeRegisters, PlatformAddress } from '../../shared/layout/devices.js';
import type { Views } from '../../shared/layout/struct.js';
import { type VirtualDevice, VirtualDeviceKind } from '../../shared/layout/virtual-devices.js';
import { type DriveHost, DriveRequest, drivesOf } from './drive-request.js';
import { identifyBytes, lbaOfChs } from './ide-identity.js';
import type { IrqLine } from './interrupt-lines.js';
import { allOnes, type PortDevice } from './port-device.js';

const Register = { DATA: 0, ERROR: 1, COUNT: 2, LOW: 3, MID: 4, HIGH: 5, DEVICE: 6, STATUS: 7 } as const;
const Status = { BUSY: 0x80, READY: 0x40, SEEK_COMPLETE: 0x10, DATA_REQUEST: 0x08, ERROR: 0x01 } as const;
const IDLE = Status.READY | Status.SEEK_COMPLETE;
const ErrorBit = { ABORTED: 0x04, NOT_FOUND: 0x10, UNCORRECTABLE: 0x40 } as const;
/** What diagnostics, and a reset, leave in the error register: all is well. */
const DIAGNOSED = 0x01;
const Device = { SLAVE: 0x10, LBA: 0x40, HEAD: 0x0f } as const;
const Control = { NO_INTERRUPT: 0x02, RESET: 0x04, PREVIOUS: 0x80 } as const;
const Command = {
  RECALIBRATE: 0x10,
  READ: 0x20,
  READ_NO_RETRY: 0x21,
  READ_EXT: 0x24,
  WRITE: 0x30,
  WRITE_NO_RETRY: 0x31,
  WRITE_EXT: 0x34,
  VERIFY: 0x40,
  VERIFY_NO_RETRY: 0x41,
  VERIFY_EXT: 0x42,
  DIAGNOSE: 0x90,
  SET_GEOMETRY: 0x91,
  CHECK_POWER: 0xe5,
  IDLE_NOW: 0xe1,
  STANDBY_NOW: 0xe0,
  FLUSH: 0xe7,
  FLUSH_EXT: 0xea,
  IDENTIFY: 0xec,
  SET_FEATURES: 0xef,
} as const;
const SET_TRANSFER_MODE = 0x03;
/** Sector-count values of PIO transfer modes have these bits clear. */
const NOT_PIO_MODE = 0xf0;
const ACTIVE = 0xff;
/** What a command is at. */
const Phase = { NONE: 0, IDENTITY: 1, READ: 2, WRITE: 3, FLUSH: 4 } as const;
const PIECE_SECTORS = PIECE_BYTES / SECTOR_BYTES;
const SECTORS_28 = 0x100;
const SECTORS_48 = 0x1_0000;

export class Ide implements PortDevice {
  private readonly views: Views;
  private readonly r: IdeRegisters;
  private readonly irq: IrqLine;
  private readonly request: DriveRequest;
  /** Master and slave. */
  private readonly drives: readonly VirtualDevice[];
  private readonly decodes: () => boolean;

  constructor(views: Views, irq: IrqLine, host: DriveHost, decodes: () => boolean) {
    this.views = views;
    this.r = new IdeRegisters(views, DeviceMap.IDE);
    this.irq = irq;
    this.request = new DriveRequest(views, this.r, host);
    this.decodes = decodes;
    this.drives = drivesOf(views, VirtualDeviceKind.IDE_DISK);
  }

  get hasDrives(): boolean {
    return this.drives.length > 0;
  }
  reset(): void {
    this.sign();
  }

  read(port: number, bytes: number, now: number): number {
    const drive = this.selected;
    if (!this.decodes() || !this.hasDrives) return allOnes(bytes);
    if (port === PlatformAddress.IDE) return this.takeData(bytes, now);
    if (bytes !== 1) return allOnes(bytes);
    // A drive that is not there answers with zeros, as its neighbour answers for it (ATA-6, 9.16.1).
    if (port === PlatformAddress.IDE_CONTROL) return drive === undefined ? 0 : this.r.status;
    const { r } = this;
    const previous = (r.control & Control.PREVIOUS) !== 0;
    switch (port - PlatformAddress.IDE) {
      case Register.ERROR:
        return drive === undefined ? 0 : r.error;
      case Register.COUNT:
        return previous ? r.countBefore : r.count;
      case Register.LOW:
        return previous ? r.lowBefore : r.low;
      case Register.MID:
        return previous ? r.midBefore : r.mid;
      case Register.HIGH:
        return previous ? r.highBefore : r.high;
      case Register.DEVICE:
        return r.device;
      case Register.STATUS:
        if (drive === undefined) return 0;
        this.setInterrupt(false);
        return r.status;
    }
    return 0xff;
  }

  write(port: number, bytes: number, value: number, now: number): void {
    const { r } = this;
    if (!this.decodes() || !this.hasDrives) return;
    if (port === PlatformAddress.IDE) {
      this.giveData(bytes, value, now);
      return;
    }
    if (bytes !== 1) return;
    if (port === PlatformAddress.IDE_CONTROL) {
      const wasReset = (r.control & Control.RESET) !== 0;
      r.control = value;
      if ((value & Control.RESET) !== 0) {
        this.giveUp();
        r.status = Status.BUSY;
      } else if (wasReset) this.sign();
      this.setInterrupt(r.interrupt !== 0);
      return;
    }
    // Any write selects the newer of the two values of a register; while it is busy a drive takes none (ATA-6, 6.20, 7.15.6.1).
    r.control &= ~Control.PREVIOUS;
    if ((r.status & Status.BUSY) !== 0) return;
    switch (port - PlatformAddress.IDE) {
      case Register.ERROR:
        r.features = value;
        break;
      case Register.COUNT:
        r.countBefore = r.count;
        r.count = value;
        break;
      case Register.LOW:
        r.lowBefore = r.low;
        r.low = value;
        break;
      case Register.MID:
        r.midBefore = r.mid;
        r.mid = value;
        break;
      case Register.HIGH:
        r.highBefore = r.high;
        r.high = value;
        break;
      case Register.DEVICE:
        r.device = value;
        break;
      case Register.STATUS:
        this.setInterrupt(false);
        if (this.selected !== undefined) this.command(value, this.selected, now);
        else if (value === Command.DIAGNOSE) this.sign();
        break;
    }
  }

  /** Goes on with what is due, if root has done it. */
  advance(now: number): void {
    const drive = this.waitingFor;
    const isGood = drive && this.request.outcome(drive, now);
    if (drive !== undefined && isGood !== undefined) this.finish(drive, isGood);
  }
  deadline(): number {
    const drive = this.waitingFor;
    return drive === undefined ? Number.POSITIVE_INFINITY : this.request.deadline(drive);
  }

  // --- commands --------------------------------------------------------------------------------------------------------------------------------------

  private command(command: number, drive: VirtualDevice, now: number): void {
    const { r } = this;
    this.giveUp();
    r.error = 0;
    r.drive = this.drives.indexOf(drive);
    switch (command) {
      case Command.READ:
      case Command.READ_NO_RETRY:
      case Command.READ_EXT:
        if (this.address(drive, command === Command.READ_EXT) && this.takeSlot(drive)) this.transfer(Phase.READ, drive, now);
        return;
      case Command.WRITE:
      case Command.WRITE_NO_RETRY:
      case Command.WRITE_EXT:
        if (drive.readOnly !== 0) this.fail(ErrorBit.ABORTED);
        else if (this.address(drive, command === Command.WRITE_EXT) && this.takeSlot(drive)) this.transfer(Phase.WRITE, drive, now);
        return;
      case Command.VERIFY:
      case Command.VERIFY_NO_RETRY:
      case Command.VERIFY_EXT:
        if (this.address(drive, command === Command.VERIFY_EXT)) this.succeed();
        return;
      case Command.FLUSH:
      case Command.FLUSH_EXT:
        if (!this.takeSlot(drive)) return;
        r.phase = Phase.FLUSH;
        this.post(drive, DiskOperation.FLUSH, 0, now);
        return;
      case Command.IDENTIFY:
        if (!this.takeSlot(drive)) return;
        this.views.u8.set(identifyBytes(drive), this.request.data(drive));
        r.phase = Phase.IDENTITY;
        r.left = r.piece = 1;
        this.askForData();
        this.setInterrupt(true);
        return;
      case Command.DIAGNOSE:
        this.sign();
        this.setInterrupt(true);
        return;
      case Command.SET_FEATURES:
        if (r.features === SET_TRANSFER_MODE && (r.count & NOT_PIO_MODE) === 0) this.succeed();
        else this.fail(ErrorBit.ABORTED);
        return;
      case Command.CHECK_POWER:
        r.count = ACTIVE;
        this.succeed();
        return;
      case Command.RECALIBRATE:
      case Command.SET_GEOMETRY:
      case Command.IDLE_NOW:
      case Command.STANDBY_NOW:
        this.succeed();
        return;
      default:
        this.fail(ErrorBit.ABORTED);
    }
  }

  /** Takes sector and count out of the registers; false, with the error in them, where the disk has no such sectors. */
  private address(drive: VirtualDevice, wide: boolean): boolean {
    const { r } = this;
    const low = r.low + r.mid * 0x100 + r.high * 0x1_0000;
    if (wide) {
      r.lbaNum = low + (r.lowBefore + r.midBefore * 0x100 + r.highBefore * 0x1_0000) * 0x100_0000;
      r.left = r.count + r.countBefore * 0x100 || SECTORS_48;
    } else {
      const head = r.device & Device.HEAD;
      r.lbaNum = (r.device & Device.LBA) !== 0 ? low + head * 0x100_0000 : lbaOfChs(r.mid + r.high * 0x100, head, r.low);
      r.left = r.count || SECTORS_28;
    }
    if (r.lbaNum >= 0 && r.lbaNum + r.left <= drive.sectorsNum) return true;
    this.fail(ErrorBit.NOT_FOUND);
    return false;
  }

  private transfer(phase: number, drive: VirtualDevice, now: number): void {
    const { r } = this;
    r.phase = phase;
    r.piece = Math.min(r.left, PIECE_SECTORS);
    if (phase === Phase.READ) this.post(drive, DiskOperation.READ, r.piece * SECTOR_BYTES, now);
    else this.askForData();
  }
  private finish(drive: VirtualDevice, isGood: boolean): void {
    const { r } = this;
    if (!isGood) {
      drive.failures++;
      this.fail(ErrorBit.UNCORRECTABLE);
      return;
    }
    if (r.phase === Phase.READ) {
      drive.ins++;
      drive.inBytesNum += r.piece * SECTOR_BYTES;
      this.askForData();
    } else if (r.phase === Phase.WRITE) {
      drive.outs++;
      drive.outBytesNum += r.piece * SECTOR_BYTES;
      this.pieceIsOver();
      if (r.left > 0) this.transfer(Phase.WRITE, drive, r.dueNum);
      else this.succeed();
    } else this.succeed();
    this.setInterrupt(true);
  }
  private pieceIsOver(): void {
    const { r } = this;
    r.left -= r.piece;
    r.lbaNum += r.piece;
  }

  // --- the data port ---------------------------------------------------------------------------------------------------------------------------------

  private takeData(bytes: number, now: number): number {
    const { r, views } = this;
    if ((r.status & Status.DATA_REQUEST) === 0 || r.phase === Phase.WRITE) return allOnes(bytes);
    const drive = this.drives[r.drive];
    const at = this.request.data(drive) + r.position;
    const there = Math.min(bytes, r.piece * SECTOR_BYTES - r.position);
    let value = 0;
    for (let i = 0; i < there; i++) value += views.u8[at + i] * 2 ** (8 * i);
    this.moved(bytes, drive, now);
    return value;
  }
  private giveData(bytes: number, value: number, now: number): void {
    const { r, views } = this;
    if ((r.status & Status.DATA_REQUEST) === 0 || r.phase !== Phase.WRITE) return;
    const drive = this.drives[r.drive];
    const at = this.request.data(drive) + r.position;
    const there = Math.min(bytes, r.piece * SECTOR_BYTES - r.position);
    for (let i = 0; i < there; i++) views.u8[at + i] = (value >>> (8 * i)) & 0xff;
    this.moved(bytes, drive, now);
  }
  /** `bytes` divides a sector, unless a driver mixes widths: what is beyond the piece is never reached. */
  private moved(bytes: number, drive: VirtualDevice, now: number): void {
    const { r } = this;
    const before = r.position;
    r.position += bytes;
    if (Math.floor(before / SECTOR_BYTES) === Math.floor(r.position / SECTOR_BYTES)) return;
    if (r.position < r.piece * SECTOR_BYTES) {
      this.setInterrupt(true);
      return;
    }
    if (r.phase === Phase.WRITE) {
      this.post(drive, DiskOperation.WRITE, r.piece * SECTOR_BYTES, now);
      return;
    }
    this.pieceIsOver();
    if (r.left > 0) this.transfer(Phase.READ, drive, now);
    else this.succeed(false);
  }

  // --- root ------------------------------------------------------------------------------------------------------------------------------------------

  private post(drive: VirtualDevice, operation: number, bytes: number, now: number): void {
    this.r.status = Status.BUSY;
    this.request.post(drive, operation, this.r.lbaNum * SECTOR_BYTES, bytes, now);
  }
  private takeSlot(drive: VirtualDevice): boolean {
    const taken = this.request.take(drive);
    if (!taken) this.fail(ErrorBit.ABORTED);
    return taken;
  }

  // --- registers -------------------------------------------------------------------------------------------------------------------------------------

  private get selected(): VirtualDevice | undefined {
    return this.drives[(this.r.device & Device.SLAVE) === 0 ? 0 : 1];
  }
  private get waitingFor(): VirtualDevice | undefined {
    return this.r.waiting === 0 ? undefined : this.drives[this.r.drive];
  }
  private askForData(): void {
    this.r.position = 0;
    this.r.status = IDLE | Status.DATA_REQUEST;
  }
  private succeed(interrupts = true): void {
    this.r.phase = Phase.NONE;
    this.r.status = IDLE;
    if (interrupts) this.setInterrupt(true);
  }
  private fail(error: number): void {
    this.r.phase = Phase.NONE;
    this.r.error = error;
    this.r.status = IDLE | Status.ERROR;
    this.setInterrupt(true);
  }
  private giveUp(): void {
    this.r.phase = Phase.NONE;
    this.request.giveUp();
    this.r.status = IDLE;
  }
  /** The signature of a disk that takes no packets (ATA-6, 9.12). */
  private sign(): void {
    const { r } = this;
    this.giveUp();
    r.count = r.low = 1;
    r.mid = r.high = r.device = 0;
    r.error = DIAGNOSED;
  }
  private setInterrupt(pending: boolean): void {
    this.r.interrupt = pending ? 1 : 0;
    this.irq.set(pending && (this.r.control & Control.NO_INTERRUPT) === 0);
  }
}
