// The PC around the processors: all platform devices of one partition, behind one I/O bus, one MMIO page and one lock.
// Why an object per (LP worker, partition): all state is in partition memory, so any LP can serve any VP's access; the object only holds views and wires.
import {
  CONSOLE_IN_BYTES,
  DeviceClockLayout,
  DeviceMap,
  Irq,
  NEVER,
  PlatformAddress,
  PlatformRequest,
} from '../../shared/layout/devices.js';
import { JOB_IRQ } from '../../shared/layout/job-page.js';
import { PartitionHeader, PartitionMap } from '../../shared/layout/partition.js';
import { FUNCTION_BITS, SOUTH_BRIDGE, SouthBridgeSlot } from '../../shared/layout/pci.js';
import { ByteQueue } from '../../shared/layout/ring.js';
import type { Views } from '../../shared/layout/struct.js';
import { AcpiPm } from './acpi-pm.js';
import { ConsoleOutput } from './console-output.js';
import { Coprocessor } from './coprocessor.js';
import { Deadlines } from './deadlines.js';
import { DeviceLock } from './device-lock.js';
import { Dma } from './dma.js';
import { Doorbell } from './doorbell.js';
import { FirmwareConfig } from './firmware-config.js';
import { Floppy } from './floppy.js';
import type { PlatformHost, PowerWires } from './host.js';
import { I8042 } from './i8042.js';
import { Ide } from './ide.js';
import { InterruptLines, type IrqLine } from './interrupt-lines.js';
import { IoApic } from './ioapic.js';
import { PassedDevices } from './passed-devices.js';
import { PcTestDevice } from './pc-test-device.js';
import { PciConfigPorts } from './pci/config-ports.js';
import { firmwareHostBridge, HOST_BRIDGE } from './pci/host-bridge.js';
import { PciBus } from './pci/pci-bus.js';
import { PciFunction } from './pci/pci-function.js';
import { IDE_DECODES, IDE_FUNCTION, IDE_TIMING, ISA_BRIDGE } from './pci/piix3.js';
import { PicPair } from './pic.js';
import { Pit } from './pit.js';
import { allOnes, type PortDevice } from './port-device.js';
import { FIRMWARE_PORT_MAP, PORT_LIMIT, PORT_MAP, type PortDeviceName, type PortRange, TEST_PORT_MAP } from './port-map.js';
import { Rom } from './rom.js';
import { Rtc } from './rtc.js';
import { SynicTestPort } from './synic-test-port.js';
import { SystemPorts } from './system-ports.js';
import { Uart } from './uart.js';
import { Vga } from './vga.js';
import { DeviceRam } from './virtio/device-ram.js';
import { VirtualDevices } from './virtio/virtual-devices.js';

const IOAPIC_END = PlatformAddress.IOAPIC + 0x1000;
const LINE_STATUS = PlatformAddress.COM1 + 5;
const IDE_FUNCTION_NUMBER = 1;
/** I/O APIC pin wired to the 8259 pair's INTR. */
const EXTINT_PIN = 0;
const REQUESTS = (DeviceMap.CLOCK + DeviceClockLayout.at.requests) >>> 2;
/** What an access has asked of the power wires; done after the lock is free, because the host then stops processors or calls `reset`. */
const Action = { NONE: 0, POWER_OFF: 1, RESET: 2, DEBUG_EXIT: 3, TEXT_SEEN: 4, REMAPPED: 5 } as const;

interface Claim {
  readonly device: PortDevice;
  readonly wide: boolean;
  readonly lockFree: boolean;
}

export class Platform {
  private readonly views: Views;
  private readonly host: PlatformHost;
  private readonly lock: DeviceLock;
  private readonly deadlines: Deadlines;
  private readonly consoleInput: ByteQueue;
  private readonly pic: PicPair;
  private readonly ioapic: IoApic;
  private readonly pit: Pit;
  private readonly rtc: Rtc;
  private readonly uart: Uart;
  private readonly i8042: I8042;
  private readonly acpi: AcpiPm;
  private readonly vga: Vga;
  private readonly dma: Dma;
  private readonly doorbell: Doorbell;
  private readonly coprocessor: Coprocessor;
  private readonly pci: PciBus;
  private readonly virtual: VirtualDevices;
  private readonly rom: Rom;
  private readonly ide: Ide;
  private readonly floppy: Floppy;
  private readonly jobLine: IrqLine;
  /** Where the partition has it. */
  private readonly test: PcTestDevice | undefined;
  /** Port number -> index in `claims` + 1, 0 = nothing there. */
  private readonly portClaims = new Uint8Array(PORT_LIMIT);
  private readonly claims: readonly Claim[];
  private action: number = Action.NONE;
  private debugValue = 0;

  constructor(views: Views, host: PlatformHost) {
    this.views = views;
    this.host = host;
    this.lock = new DeviceLock(views);
    this.deadlines = new Deadlines(views);
    this.consoleInput = new ByteQueue(views, DeviceMap.CONSOLE_IN, CONSOLE_IN_BYTES);
    const power: PowerWires = {
      powerOff: () => {
        this.action = Action.POWER_OFF;
      },
      reset: () => {
        this.action = Action.RESET;
      },
      debugExit: (value) => {
        this.action = Action.DEBUG_EXIT;
        this.debugValue = value;
      },
      textSeen: () => {
        this.action = Action.TEXT_SEEN;
      },
    };
    const output = new ConsoleOutput(views, power.textSeen);
    this.ioapic = new IoApic(views, host);
    this.pic = new PicPair(views, (asserted) => {
      host.setIntr(asserted);
      this.ioapic.setPin(EXTINT_PIN, asserted);
    });
    const lines = new InterruptLines(views, this.pic, this.ioapic);
    this.pit = new Pit(views, lines.line(Irq.PIT));
    this.rtc = new Rtc(views, lines.line(Irq.RTC));
    this.uart = new Uart(views, lines.line(Irq.COM1), output, () => this.virtual.hasConsole);
    this.i8042 = new I8042(views, lines.line(Irq.KEYBOARD), power);
    this.acpi = new AcpiPm(views, lines.line(Irq.SCI), power);
    this.jobLine = lines.line(JOB_IRQ);
    const ram = new DeviceRam(views, host);
    this.rom = new Rom(views, ram);
    const hasBios = this.rom.pages !== 0;
    const ideFunction = new PciFunction(views, SouthBridgeSlot.IDE, IDE_FUNCTION, (SOUTH_BRIDGE << FUNCTION_BITS) | IDE_FUNCTION_NUMBER);
    this.ide = new Ide(views, lines.line(Irq.IDE), host, () => (ideFunction.get(IDE_TIMING, 2) & IDE_DECODES) !== 0);
    this.virtual = new VirtualDevices(views, host, lines, output, ram, hasBios);
    this.pci = new PciBus(views, [
      ...(hasBios ? [...this.bridges(views), ideFunction] : [new PciFunction(views, 0, HOST_BRIDGE)]),
      ...this.virtual.functions,
    ]);
    this.vga = new Vga(views);
    this.dma = new Dma(views, ram);
    this.floppy = new Floppy(views, lines.line(Irq.FLOPPY), this.dma, host);
    this.doorbell = new Doorbell(views);
    this.coprocessor = new Coprocessor(lines.line(Irq.COPROCESSOR));
    const hasTests = new PartitionHeader(views, PartitionMap.HEADER).testDevices !== 0;
    const test = new PcTestDevice(views, lines, this.ioapic);
    this.test = hasTests ? test : undefined;
    const devices: Record<PortDeviceName, PortDevice> = {
      dma: this.dma,
      pic: this.pic,
      pit: this.pit,
      i8042: this.i8042,
      rtc: this.rtc,
      system: new SystemPorts(views, this.i8042, power, output),
      vga: this.vga,
      uart: this.uart,
      doorbell: this.doorbell,
      coprocessor: this.coprocessor,
      acpi: this.acpi,
      pci: new PciConfigPorts(views, this.pci, power),
      passed: new PassedDevices(host),
      firmwareConfig: new FirmwareConfig(views),
      test,
      synicTest: new SynicTestPort(host),
      ide: this.ide,
      floppy: this.floppy,
    };
    const ranges = [...PORT_MAP, ...(hasTests ? TEST_PORT_MAP : []), ...(hasBios ? FIRMWARE_PORT_MAP : [])];
    this.claims = ranges.map((range, index) => this.claim(range, index, devices[range.device]));
  }

  /** Power on, or the reset line: every register as firmware leaves it. The console rings, the clock and the job sequence go on. */
  reset(): void {
    this.lock.lock();
    try {
      const now = Math.floor(this.host.now());
      this.views.u8.fill(0, DeviceMap.REGISTERS, DeviceMap.REGISTERS_END);
      Atomics.store(this.views.i32, REQUESTS, 0);
      this.pic.reset();
      this.ioapic.reset();
      this.pit.reset();
      this.rtc.reset(now);
      this.uart.reset();
      this.i8042.reset();
      this.acpi.reset(now);
      this.vga.reset();
      this.dma.reset();
      this.doorbell.reset();
      this.pci.reset();
      this.virtual.reset();
      this.ide.reset();
      this.floppy.reset();
      this.host.setIntr(false);
      this.publish();
    } finally {
      this.lock.unlock();
    }
  }

  /** IN of `bytes` (1, 2 or 4) bytes. */
  ioRead(port: number, bytes: number): number {
    if (port === LINE_STATUS && bytes === 1) {
      const status = this.uart.quietStatus();
      if (status >= 0) return status;
    }
    const claim = this.claimOf(port);
    if (claim === undefined) {
      if (bytes === 1) return 0xff;
    } else if (claim.lockFree) return claim.device.read(port, bytes, 0);
    const now = this.begin();
    try {
      if (claim?.wide) return claim.device.read(port, bytes, now);
      let value = 0;
      for (let i = 0; i < bytes; i++) value |= (this.claimOf(port + i)?.device.read(port + i, 1, now) ?? 0xff) << (8 * i);
      return value >>> 0;
    } finally {
      this.end();
    }
  }

  /** Whether the A20 gate is open. */
  get a20(): boolean {
    return this.i8042.a20;
  }

  /** OUT of `bytes` (1, 2 or 4) bytes. False: nothing but a word of the device's own can have changed, no interrupt line and no timer. */
  ioWrite(port: number, bytes: number, value: number): boolean {
    const claim = this.claimOf(port);
    if (claim === undefined) {
      if (bytes === 1) return false;
    } else if (claim.lockFree) {
      claim.device.write(port, bytes, (value & allOnes(bytes)) >>> 0, 0);
      return false;
    }
    const now = this.begin();
    try {
      if (claim?.wide) claim.device.write(port, bytes, (value & allOnes(bytes)) >>> 0, now);
      else for (let i = 0; i < bytes; i++) this.claimOf(port + i)?.device.write(port + i, 1, (value >>> (8 * i)) & 0xff, now);
      return true;
    } finally {
      this.end();
    }
  }

  claimsMmio(gpa: number): boolean {
    if ((gpa >= PlatformAddress.IOAPIC && gpa < IOAPIC_END) || this.test?.claims(gpa) === true) return true;
    return this.rom.claims(gpa) || this.pci.claims(gpa) !== undefined;
  }

  /** Reads at most 4 bytes; the I/O APIC's registers are 32 bits wide and answer at 16-byte boundaries only. */
  mmioRead(gpa: number, bytes: number): number {
    const offset = gpa - PlatformAddress.IOAPIC;
    this.begin();
    try {
      if (this.test?.claims(gpa)) return this.test.load(gpa, bytes);
      if (this.rom.claims(gpa)) return this.rom.read(gpa, bytes);
      if (offset < 0 || gpa >= IOAPIC_END) return this.pci.claims(gpa)?.memoryRead(gpa, bytes) ?? allOnes(bytes);
      return ((this.ioapic.read(offset & ~3) >>> (8 * (offset & 3))) & allOnes(bytes)) >>> 0;
    } finally {
      this.end();
    }
  }

  mmioWrite(gpa: number, bytes: number, value: number): void {
    const now = this.begin();
    try {
      if (this.test?.claims(gpa)) this.test.store(gpa, bytes, value);
      else if (this.rom.claims(gpa)) this.rom.write(gpa, bytes, value);
      else if (gpa < PlatformAddress.IOAPIC || gpa >= IOAPIC_END)
        this.pci.claims(gpa)?.memoryWrite(gpa, bytes, (value & allOnes(bytes)) >>> 0, now);
      else this.ioapic.write(gpa - PlatformAddress.IOAPIC, (value & allOnes(bytes)) >>> 0);
    } finally {
      this.end();
    }
  }

  /** Brings all devices up to now. Takes the lock only when something is due; missed periods become one interrupt, phases are kept. */
  advance(): void {
    const now = this.host.now();
    this.deadlines.load();
    const due = now >= this.deadlines.deadline || (now >= this.deadlines.receiveDue && !this.consoleInput.empty);
    if (!due && !this.rootWaits) return;
    this.begin();
    this.end();
  }

  /** Partition time (ns) at which `advance` next has something to do, Infinity for never. Root's requests, job changes and console input make it earlier: root kicks an LP then. */
  nextDeadline(): number {
    if (this.rootWaits) return 0;
    this.deadlines.load();
    const { deadline, receiveDue } = this.deadlines;
    const next = !this.consoleInput.empty ? Math.min(deadline, receiveDue) : deadline;
    return next >= NEVER ? Number.POSITIVE_INFINITY : next;
  }

  /** Level of the 8259 pair's INTR. */
  picPending(): boolean {
    return this.pic.pending;
  }

  /** As `picPending` by a plain read: for the VP in guest code, which is kicked when another thread raises it. */
  picSeen(): boolean {
    return this.pic.seen;
  }

  /** INTA cycle: the 8259 pair's vector. A request that has gone meanwhile answers as a spurious interrupt (IR7 of its chip). */
  picAcknowledge(): number {
    this.begin();
    try {
      return this.pic.acknowledge();
    } finally {
      this.end();
    }
  }

  /** EOI broadcast of a local APIC, for a level-triggered vector. */
  ioapicEoi(vector: number): void {
    this.begin();
    try {
      this.ioapic.endOfInterrupt(vector);
    } finally {
      this.end();
    }
  }

  /** FERR# of a processor: an x87 exception is pending and CR0.NE is 0. */
  coprocessorError(): void {
    this.begin();
    try {
      this.coprocessor.error();
    } finally {
      this.end();
    }
  }

  /** For root, after a worker has died that may have been inside a device access. */
  breakLock(): void {
    this.lock.breakOpen();
  }

  /** Of a machine with a BIOS. */
  private bridges(views: Views): readonly PciFunction[] {
    const remapped = (): void => {
      this.action = Action.REMAPPED;
    };
    return [
      new PciFunction(views, 0, firmwareHostBridge(remapped)),
      new PciFunction(views, SouthBridgeSlot.ISA, ISA_BRIDGE, SOUTH_BRIDGE << FUNCTION_BITS),
    ];
  }

  private claim(range: PortRange, index: number, device: PortDevice): Claim {
    this.portClaims.fill(index + 1, range.first, range.last + 1);
    return { device, wide: range.wide ?? false, lockFree: range.lockFree ?? false };
  }

  private claimOf(port: number): Claim | undefined {
    const index = port < PORT_LIMIT ? this.portClaims[port] : 0;
    return index === 0 ? undefined : this.claims[index - 1];
  }

  /** Every access first brings the timers up to now, so that it sees their flags and lines as they are. */
  private begin(): number {
    this.lock.lock();
    const now = Math.floor(this.host.now());
    this.pit.advance(now);
    this.rtc.advance(now);
    this.acpi.advance(now);
    this.virtual.advance(now);
    this.ide.advance(now);
    this.floppy.advance(now);
    this.uart.receive(now);
    if (!this.consoleInput.empty && this.virtual.hasConsole && this.virtual.inputDue() === 0) this.virtual.serve(now);
    if (this.rootWaits) this.takeRequests(now);
    return now;
  }

  private end(): void {
    this.publish();
    this.lock.unlock();
    if (this.action !== Action.NONE) this.act();
  }

  private publish(): void {
    const { pit, rtc, acpi, virtual, uart, ide, floppy } = this;
    const drives = Math.min(ide.deadline(), floppy.deadline());
    const deadline = Math.min(pit.nextDeadline(), rtc.nextDeadline(), acpi.nextDeadline(), virtual.deadline(), drives);
    this.deadlines.publish(deadline, Math.min(virtual.hasConsole ? virtual.inputDue() : uart.receiveDue(), NEVER));
  }

  /** True while root has asked for something that no access has taken up yet. Plain reads: root kicks after asking, and kicks are atomic. */
  private get rootWaits(): boolean {
    return this.doorbell.changed || this.views.i32[REQUESTS] !== 0;
  }

  private takeRequests(now: number): void {
    const requests = Atomics.exchange(this.views.i32, REQUESTS, 0);
    if (requests & PlatformRequest.POWER_BUTTON) this.acpi.pressPowerButton();
    if (requests & PlatformRequest.VIRTIO) this.virtual.serve(now);
    if (this.doorbell.changed) this.doorbell.signal(this.jobLine);
  }

  private act(): void {
    const action = this.action;
    this.action = Action.NONE;
    if (action === Action.POWER_OFF) this.host.powerOff();
    else if (action === Action.RESET) this.host.reset();
    else if (action === Action.TEXT_SEEN) this.host.textSeen();
    else if (action === Action.REMAPPED) this.host.remapped();
    else this.host.debugExit(this.debugValue);
  }
}
