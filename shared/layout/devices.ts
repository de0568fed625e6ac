// Registers of the PC platform devices, in partition memory between PartitionMap.DEVICES and DEVICES_END.
// Why there: any LP's thread may run any VP, so a device has no other state than these bytes. Written under the partition's device lock unless said otherwise.
//
//   +0x00000  clock, doorbell: survive a reset of the partition
//   +0x00100  registers: zeroed by a reset
//   +0x02000  PCI configuration spaces: zeroed by a reset
//   +0x03000  virtio devices that there are: survives (virtual-devices.ts)
//   +0x03800  ROM and files of the BIOS: survives (firmware.ts)
//   +0x04000  their registers: zeroed by a reset
//   +0x10000  COM1 output, a ByteLog (scrollback 64 KiB): survives
//   +0x28000  the text that ends the partition: survives
//   +0x30000  COM1 input, a ByteQueue of 4 KiB: survives
//   +0x40000  memory of the test device, 64 KiB: survives
//   +0x50000  what firmware says on its debug port, a ByteLog of 64 KiB: survives
import { PartitionMap } from './partition.js';
import { accessor, block, i32, struct, u8, u16, u32, u64 } from './struct.js';

const D = PartitionMap.DEVICES;
export const DeviceMap = {
  CLOCK: D + 0x0000,
  DOORBELL: D + 0x0040,
  REGISTERS: D + 0x0100,
  LINES: D + 0x0100,
  PIC_MASTER: D + 0x0140,
  PIC_SLAVE: D + 0x0160,
  PIC_OUTPUT: D + 0x0180,
  PIT: D + 0x0200,
  PORT_B: D + 0x02c0,
  RTC: D + 0x0300,
  UART: D + 0x0400,
  IOAPIC: D + 0x0500,
  I8042: D + 0x0600,
  ACPI: D + 0x0640,
  PCI: D + 0x0680,
  SYSTEM: D + 0x06a0,
  FIRMWARE_CONFIG: D + 0x06c0,
  TEST: D + 0x06e0,
  DMA: D + 0x0700,
  IDE: D + 0x0780,
  VGA: D + 0x0800,
  FLOPPY: D + 0x1000,
  REGISTERS_END: D + 0x1080,
  PCI_CONFIG: D + 0x2000,
  VIRTUAL_DEVICES: D + 0x3000,
  FIRMWARE: D + 0x3800,
  VIRTIO: D + 0x4000,
  CONSOLE_OUT: D + 0x1_0000,
  CONSOLE_WATCH: D + 0x2_8000,
  CONSOLE_IN: D + 0x3_0000,
  TEST_MEMORY: D + 0x4_0000,
  FIRMWARE_LOG: D + 0x5_0000,
} as const;
export const CONSOLE_OUT_BYTES = 0x1_0000;
export const CONSOLE_IN_BYTES = 0x1000;
export const FIRMWARE_LOG_BYTES = 0x1_0000;

/** Longest text that can be waited for, UTF-8 bytes. */
export const WATCHED_TEXT_MAX = 1024;
/** The text whose last byte ends the partition. Root writes it before the partition starts; devices only read it. */
export const ConsoleWatchLayout = struct('ConsoleWatch', {
  /** Bytes of `text`, 0 = none is waited for. */
  length: u32,
  text: block(WATCHED_TEXT_MAX),
});
export const ConsoleWatch = accessor(ConsoleWatchLayout);

/** Where guests and the ACPI and MP tables find the devices: I/O ports, MMIO pages, interrupt lines. */
export const PlatformAddress = {
  COM1: 0x3f8,
  DEBUG_EXIT: 0xf4,
  DEBUG_CONSOLE: 0xe9,
  FIRMWARE_DEBUG: 0x402,
  IDE: 0x1f0,
  IDE_CONTROL: 0x3f6,
  FLOPPY: 0x3f0,
  /** Channel of the first DMA controller. */
  FLOPPY_DMA: 2,
  PM1A_EVENT: 0x600,
  PM1A_CONTROL: 0x604,
  PM_TIMER: 0x608,
  GPE0: 0x620,
  GPE0_BYTES: 4,
  RESET_CONTROL: 0xcf9,
  RESET_VALUE: 0x06,
  IOAPIC: 0xfec0_0000,
  IOAPIC_PINS: 24,
  FIRMWARE_CONFIG: 0x510,
  TEST_DATA: 0xe0,
  TEST_DATA_BYTEWISE: 0xe8,
  TEST_LINES: 0x2000,
  SYNIC_TEST: 0x3000,
  TEST_MEMORY: 0xff00_0000,
  TEST_MEMORY_BYTES: 0x1_0000,
  /** Where memory of PCI devices may lie (the host bridge's window). */
  PCI_MEMORY: 0xe000_0000,
  PCI_MEMORY_END: 0xfec0_0000,
  /** Interrupts of PCI devices with even and odd device numbers. */
  PCI_IRQ_EVEN: 10,
  PCI_IRQ_ODD: 11,
  /** SLP_TYP of soft off (S5), as the DSDT's \_S5 package must say. */
  S5_SLEEP_TYPE: 5,
  /** CMOS byte of the century (FADT CENTURY). */
  CMOS_CENTURY: 0x32,
} as const;
export const Irq = { PIT: 0, KEYBOARD: 1, CASCADE: 2, COM1: 4, FLOPPY: 6, RTC: 8, SCI: 9, COPROCESSOR: 13, IDE: 14 } as const;
/** ISA IRQ 0 is wired to I/O APIC pin 2 (an interrupt source override of the MADT), pin 0 to the 8259 pair's INTR; all others to the pin of their number. */
export const TIMER_PIN = 2;

/** Earliest events, readable without the lock: a sequence lock (odd = being written). Times in ns of partition time; NEVER = none. */
export const NEVER = Number.MAX_SAFE_INTEGER;
export const DeviceClockLayout = struct(
  'DeviceClock',
  {
    sequence: i32,
    /** Next timer event of any device. */
    deadline: u64,
    /** When the UART takes bytes from the console input ring, if that has some. */
    receiveDue: u64,
    /** Real-time clock at partition time 0, seconds since 1970; 0 = the default epoch. */
    epochSeconds: u64,
    /** Seconds to add to that and partition time: what the guest has set (a real clock's battery: survives a reset). */
    rtcOffset: u64,
    /** Requests of root, PlatformRequest, atomics. */
    requests: i32,
  },
  64,
);
export const DeviceClock = accessor(DeviceClockLayout);
export type DeviceClock = InstanceType<typeof DeviceClock>;
/** Bits of `requests`: set by root, taken by the next `Platform.advance`. Root kicks an LP of the partition after setting one. */
export const PlatformRequest = { POWER_BUTTON: 1, VIRTIO: 2 } as const;

/** The workload guest's doorbell (ports: JobPort of job-page.ts). All words are atomics, no lock. */
export const DoorbellLayout = struct(
  'Doorbell',
  {
    /** GPA of the shared job area, 0 = not announced. */
    jobPage: u32,
    /** Root adds 1 after it has changed a job, then kicks an LP of the partition. */
    jobSequence: u32,
    /** Sequence for which the job interrupt has been pulsed. */
    signalled: u32,
    /** Writes to port OPERATION. */
    doorbellCount: u32,
  },
  64,
);

/** Asserting devices of each ISA line: one byte per IRQ, one bit per device. */
export const LinesLayout = struct('InterruptLines', { sources: block(16) }, 64);

/** One 8259A. Names as in its data sheet. */
export const PicLayout = struct(
  'Pic',
  {
    irr: u8,
    imr: u8,
    isr: u8,
    elcr: u8,
    /** Levels of the inputs. */
    lines: u8,
    /** ICW2: vector of IR0. */
    vectorBase: u8,
    /** Next initialisation word: 0 none, 2, 3, 4. */
    expects: u8,
    needsIcw4: u8,
    single: u8,
    autoEoi: u8,
    fullyNested: u8,
    /** IR with the highest priority (0 unless rotated). */
    highest: u8,
    rotateOnAutoEoi: u8,
    specialMask: u8,
    readIsr: u8,
    poll: u8,
  },
  32,
);
export const PicRegisters = accessor(PicLayout);
export type PicRegisters = InstanceType<typeof PicRegisters>;
/** INTR output of the pair; read as an atomic without the lock. */
export const PicOutputLayout = struct('PicOutput', { intr: i32 }, 16);

/** One channel of the 8254. Times in its ticks since partition time 0. */
export const PitChannelLayout = struct(
  'PitChannel',
  {
    mode: u8,
    access: u8,
    bcd: u8,
    gate: u8,
    /** 1 once a count has been written after the control word. */
    loaded: u8,
    /** Modes 1 and 5: the gate has risen. */
    triggered: u8,
    /** Access mode 3: the next byte written (read) is the high one; the low byte written. */
    writeHigh: u8,
    readHigh: u8,
    writeLow: u8,
    /** Bytes of the count latch not read yet. */
    latched: u8,
    statusLatched: u8,
    status: u8,
    latch: u16,
    reload: u32,
    /** Count that takes over at `switchTick` (modes 2, 3) or at the next trigger (1, 5); 0 = none. */
    pending: u32,
    startTick: u64,
    switchTick: u64,
    /** When the gate fell. */
    pausedTick: u64,
    /** Channel 0: rising edges of OUT up to here have been seen. */
    seenTick: u64,
  },
  64,
);
export const PitChannel = accessor(PitChannelLayout);
export type PitChannel = InstanceType<typeof PitChannel>;
/** Port 0x61 and the time of the last timer interrupt. */
export const PortBLayout = struct('PortB', { control: u8, lastInterrupt: u64 }, 32);
export const PortB = accessor(PortBLayout);
export type PortB = InstanceType<typeof PortB>;

export const RtcLayout = struct(
  'Rtc',
  {
    index: u8,
    /** Ticks of 32,768 Hz and seconds of partition time up to which flags have been raised. */
    seenTick: u64,
    seenSecond: u64,
    cmos: block(128),
  },
  256,
);
export const RtcRegisters = accessor(RtcLayout);
export type RtcRegisters = InstanceType<typeof RtcRegisters>;

/** A 16550A. Names as in its data sheet. */
export const UartLayout = struct(
  'Uart',
  {
    ier: u8,
    fcr: u8,
    lcr: u8,
    mcr: u8,
    scr: u8,
    dll: u8,
    dlm: u8,
    /** Error bits of LSR, cleared by reading it. */
    lineErrors: u8,
    /** Delta bits of MSR, cleared by reading it. */
    modemDeltas: u8,
    /** A transmitter-empty interrupt waits to be seen. */
    thrEmpty: u8,
    fifoHead: u8,
    fifoCount: u8,
    fifo: block(16),
    receiveDue: u64,
  },
  128,
);
export const UartRegisters = accessor(UartLayout);
export type UartRegisters = InstanceType<typeof UartRegisters>;

export const IoApicLayout = struct(
  'IoApic',
  { select: u32, id: u32, lines: u32, redirectionLow: block(24 * 4, 4), redirectionHigh: block(24 * 4, 4) },
  256,
);
export const IoApicRegisters = accessor(IoApicLayout);
export type IoApicRegisters = InstanceType<typeof IoApicRegisters>;

export const I8042_QUEUE = 16;
export const I8042Layout = struct(
  'I8042',
  {
    config: u8,
    outputPort: u8,
    /** Controller command (keyboard command) that waits for its data byte, 0 = none. */
    command: u8,
    keyboardCommand: u8,
    lastWasCommand: u8,
    head: u8,
    count: u8,
    queue: block(I8042_QUEUE, 1),
  },
  64,
);
export const I8042Registers = accessor(I8042Layout);
export type I8042Registers = InstanceType<typeof I8042Registers>;

export const AcpiLayout = struct(
  'AcpiPm',
  { pm1Status: u16, pm1Enable: u16, pm1Control: u16, gpeStatus: u16, gpeEnable: u16, seenTick: u64 },
  64,
);
export const AcpiRegisters = accessor(AcpiLayout);
export type AcpiRegisters = InstanceType<typeof AcpiRegisters>;

export const PciLayout = struct('PciConfig', { address: u32, resetControl: u8 }, 16);
export const PciRegisters = accessor(PciLayout);
export type PciRegisters = InstanceType<typeof PciRegisters>;

export const SystemLayout = struct('SystemPorts', { portA: u8 }, 16);
export const SystemRegisters = accessor(SystemLayout);
export type SystemRegisters = InstanceType<typeof SystemRegisters>;

/** Selected item, and the byte of it that is read next; of a file, where it is in partition memory and its size. */
export const FirmwareConfigLayout = struct('FirmwareConfig', { item: u16, offset: u32, at: u32, bytes: u32 }, 32);
export const FirmwareConfigRegisters = accessor(FirmwareConfigLayout);
export type FirmwareConfigRegisters = InstanceType<typeof FirmwareConfigRegisters>;

/** The word behind the test device's data ports. */
export const TestLayout = struct('PcTestDevice', { data: block(4, 4) }, 16);
export const TestRegisters = accessor(TestLayout);
export type TestRegisters = InstanceType<typeof TestRegisters>;

/** Two 8237 controllers and the page registers. By channel of both: address and count words as they are now, what was written to them last, modes. */
export const DmaLayout = struct(
  'Dma',
  {
    flipFlop1: u8,
    flipFlop2: u8,
    mask1: u8,
    mask2: u8,
    /** Of the first one: its command register; channels that have reached terminal count since the status was read. */
    command: u8,
    ended: u8,
    words: block(16 * 2, 2),
    bases: block(16 * 2, 2),
    modes: block(8, 1),
    pages: block(16),
  },
  128,
);
export const DmaRegisters = accessor(DmaLayout);
export type DmaRegisters = InstanceType<typeof DmaRegisters>;

/** The primary IDE channel: task file, with the values before the last ones of those registers that hold two, and the command that is under way. */
export const IdeLayout = struct(
  'Ide',
  {
    features: u8,
    count: u8,
    low: u8,
    mid: u8,
    high: u8,
    device: u8,
    countBefore: u8,
    lowBefore: u8,
    midBefore: u8,
    highBefore: u8,
    control: u8,
    status: u8,
    error: u8,
    interrupt: u8,
    /** What it is at, and of which drive; 1: for root and its time. */
    phase: u8,
    drive: u8,
    waiting: u8,
    slot: u8,
    /** Sectors of the piece that is in the slot, byte of it that moves next, and sectors to go with that piece. */
    piece: u32,
    position: u32,
    left: u32,
    lba: u64,
    due: u64,
  },
  128,
);
export const IdeRegisters = accessor(IdeLayout);
export type IdeRegisters = InstanceType<typeof IdeRegisters>;

/** Of the longest result; the longest command is shorter. */
export const FLOPPY_BYTES = 10;
/** The floppy controller. Names as in the 82077AA's data sheet. */
export const FloppyLayout = struct(
  'Floppy',
  {
    digitalOutput: u8,
    rate: u8,
    phase: u8,
    /** The command so far, or its result: how many bytes, and which of them is read next. */
    count: u8,
    next: u8,
    bytes: block(FLOPPY_BYTES, 1),
    interrupt: u8,
    /** Drives whose seek is under way (a bit each, one time for all); whose end SENSE INTERRUPT STATUS has not told, with ST0 of each drive; to be told of since a reset. */
    seeking: u8,
    sought: u8,
    seekStatus: block(4, 1),
    resets: u8,
    /** Where the head of each drive is. */
    cylinders: block(4, 1),
    /** What SPECIFY, CONFIGURE, PERPENDICULAR MODE and LOCK have said, and the last sector of a track (EOT). */
    specified: block(2, 1),
    configured: block(2, 1),
    perpendicular: u8,
    locked: u8,
    lastSector: u8,
    /** The part of a track that is under way. */
    drive: u8,
    cylinder: u8,
    head: u8,
    sector: u8,
    sectors: u8,
    /** Its bytes are the last ones that the DMA channel wanted. */
    ends: u8,
    /** 1: for root and its time, 0: for time only, and then it ends with this ST1. */
    waiting: u8,
    failure: u8,
    slot: u8,
    due: u64,
    seekDue: u64,
  },
  128,
);
export const FloppyRegisters = accessor(FloppyLayout);
export type FloppyRegisters = InstanceType<typeof FloppyRegisters>;

export const VgaLayout = struct(
  'Vga',
  {
    misc: u8,
    attributeIndex: u8,
    attributeData: u8,
    sequencerIndex: u8,
    graphicsIndex: u8,
    crtcIndex: u8,
    dacMask: u8,
    dacReadMode: u8,
    feature: u8,
    /** Colour components read or written next: index x 3 + component. */
    dacPosition: u16,
    attribute: block(32),
    sequencer: block(8),
    graphics: block(16),
    crtc: block(32),
    dac: block(768),
  },
  0x800,
);
export const VgaRegisters = accessor(VgaLayout);
export type VgaRegisters = InstanceType<typeof VgaRegisters>;
