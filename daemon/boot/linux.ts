// Loads kernels by the Linux/x86 boot protocol, by its 32-bit and 64-bit entries (Documentation/x86/boot.rst, zero-page.rst). memtest86+ 6 and later speak it too.
import { BootError, hex } from './boot-error.js';
import { asciiz, type BootPlan, chunk, flatGdt } from './boot-plan.js';
import { e820, highEnd, KIB, LOW_START, MIB, RSDP_AT } from './memory-map.js';
import type { PartitionSpec } from './partition-spec.js';
import { Placement } from './placement.js';

/** Offsets in the image, equal to those in the zero page from SETUP_SECTS on. */
const Header = {
  SETUP_SECTS: 0x1f1,
  SYSSIZE: 0x1f4,
  VID_MODE: 0x1fa,
  BOOT_FLAG: 0x1fe,
  JUMP_LENGTH: 0x201,
  MAGIC: 0x202,
  VERSION: 0x206,
  TYPE_OF_LOADER: 0x210,
  LOADFLAGS: 0x211,
  CODE32_START: 0x214,
  RAMDISK_IMAGE: 0x218,
  RAMDISK_SIZE: 0x21c,
  HEAP_END: 0x224,
  CMD_LINE_PTR: 0x228,
  INITRD_ADDR_MAX: 0x22c,
  RELOCATABLE: 0x234,
  XLOADFLAGS: 0x236,
  CMDLINE_SIZE: 0x238,
  PREF_ADDRESS: 0x258,
  INIT_SIZE: 0x260,
} as const;
/** Offsets in the zero page. */
const ZeroPage = {
  EXT_MEM_K: 0x02,
  VIDEO_MODE: 0x06,
  VIDEO_COLS: 0x07,
  VIDEO_LINES: 0x0e,
  IS_VGA: 0x0f,
  VIDEO_POINTS: 0x10,
  ACPI_RSDP: 0x70,
  ALT_MEM_K: 0x1e0,
  E820_ENTRIES: 0x1e8,
  E820_TABLE: 0x2d0,
  SIZE: 0x1000,
} as const;
const HDRS = 0x5372_6448;
const BOOT_FLAG = 0xaa55;
const LOADED_HIGH = 1;
const XLF_KERNEL_64 = 1;
const VID_MODE_NORMAL = 0xffff;
/** "Undefined" loader: no number is assigned to hvd. */
const LOADER_UNDEFINED = 0xff;
const CODE_SELECTOR = 0x10;
const LOAD_ADDRESS = MIB;
const OLDEST_VERSION = 0x0203;

export const isLinux = (image: Uint8Array): boolean => {
  if (image.length < Header.VERSION) return false;
  const data = new DataView(image.buffer, image.byteOffset, image.byteLength);
  return data.getUint16(Header.BOOT_FLAG, true) === BOOT_FLAG && data.getUint32(Header.MAGIC, true) === HDRS;
};

/** Identity map of the first 4 GiB by 2 MiB pages: PML4, PDPT, four page directories. */
const identityMap = (at: number): Uint8Array => {
  const tables = new Uint8Array(6 * 4096);
  const data = new DataView(tables.buffer);
  data.setBigUint64(0, BigInt(at + 4096 + 3), true);
  for (let gib = 0; gib < 4; gib++) data.setBigUint64(4096 + gib * 8, BigInt(at + (2 + gib) * 4096 + 3), true);
  for (let page = 0; page < 2048; page++) data.setBigUint64(2 * 4096 + page * 8, (BigInt(page) << 21n) | 0x83n, true);
  return tables;
};

export const planLinux = (spec: PartitionSpec): BootPlan => {
  const { image, imageName, initrd, ramSize } = spec;
  const source = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const headerEnd = image.length > Header.MAGIC ? Header.MAGIC + image[Header.JUMP_LENGTH] : 0;
  if (image.length < headerEnd || image.length < Header.VERSION + 2)
    throw new BootError('image-truncated', `${imageName}: Linux setup header ends at ${hex(headerEnd)}, the file at ${hex(image.length)}`);
  const version = source.getUint16(Header.VERSION, true);
  if (version < OLDEST_VERSION)
    throw new BootError(
      'image-unsupported',
      `${imageName}: Linux boot protocol ${hex(version)}, at least ${hex(OLDEST_VERSION)} is needed`,
    );
  // A field counts as present if the header is long enough and the version knows it.
  const has = (offset: number, size: number, since: number): boolean => version >= since && offset + size <= headerEnd;
  if (!has(Header.INITRD_ADDR_MAX, 4, OLDEST_VERSION))
    throw new BootError(
      'image-malformed',
      `${imageName}: Linux setup header of ${headerEnd - Header.SETUP_SECTS} bytes is too short for protocol ${hex(version)}`,
    );
  if ((image[Header.LOADFLAGS] & LOADED_HIGH) === 0)
    throw new BootError('image-unsupported', `${imageName}: a zImage (loadflags bit 0 clear); only a bzImage can be loaded at 1 MiB`);

  const setupSize = ((image[Header.SETUP_SECTS] || 4) + 1) * 512;
  const kernelSize = source.getUint32(Header.SYSSIZE, true) * 16;
  if (setupSize >= image.length || setupSize + kernelSize > Math.ceil((image.length - setupSize) / 16) * 16 + setupSize) {
    throw new BootError(
      'image-truncated',
      `${imageName}: setup_sects and syssize make ${setupSize + kernelSize} bytes, the file has ${image.length}`,
    );
  }
  const kernel = image.subarray(setupSize);
  const initSize = has(Header.INIT_SIZE, 4, 0x020a) ? source.getUint32(Header.INIT_SIZE, true) : 0;
  const preferred = has(Header.PREF_ADDRESS, 8, 0x020a) ? Number(source.getBigUint64(Header.PREF_ADDRESS, true)) : LOAD_ADDRESS;
  const relocatable = has(Header.RELOCATABLE, 1, 0x0205) && image[Header.RELOCATABLE] !== 0;
  // A relocatable kernel decompresses itself to its preferred address if it was loaded below that.
  const runsAt = relocatable ? Math.max(LOAD_ADDRESS, preferred) : LOAD_ADDRESS;

  const placement = new Placement(ramSize);
  placement.take(LOAD_ADDRESS, kernel.length, `${imageName}: kernel`);
  if (initSize > 0) {
    if (runsAt + initSize > highEnd(ramSize))
      throw new BootError(
        'memory-too-small',
        `${imageName}: runs at ${hex(runsAt)} and needs ${hex(initSize)} bytes there (init_size); usable RAM ends at ${hex(highEnd(ramSize))}`,
      );
    placement.take(runsAt, initSize, `${imageName}: init_size`);
  }

  const lineMax = has(Header.CMDLINE_SIZE, 4, 0x0206) ? source.getUint32(Header.CMDLINE_SIZE, true) : 255;
  const commandLine = asciiz(spec.commandLine ?? '');
  if (commandLine.length - 1 > lineMax)
    throw new BootError(
      'command-line-too-long',
      `command line has ${commandLine.length - 1} characters, ${imageName} takes ${lineMax} (cmdline_size)`,
    );

  const wants64 = spec.entry === '64';
  const xloadflags = has(Header.XLOADFLAGS, 2, 0x020c) ? source.getUint16(Header.XLOADFLAGS, true) : 0;
  if (wants64 && (xloadflags & XLF_KERNEL_64) === 0)
    throw new BootError('image-unsupported', `${imageName}: has no 64-bit entry (xloadflags bit 0 clear)`);

  const zeroPageAt = placement.low(ZeroPage.SIZE, 4096, LOW_START, MIB);
  const gdtAt = placement.low(64, 8, LOW_START, MIB);
  const tablesAt = wants64 ? placement.low(6 * 4096, 4096, LOW_START, MIB) : 0;
  const lineAt = placement.low(commandLine.length, 16, LOW_START, MIB);
  if (lineAt < 0)
    throw new BootError('command-line-too-long', `command line has ${commandLine.length - 1} characters, more than low memory holds`);

  let initrdAt = 0;
  if (initrd !== undefined) {
    const limit = source.getUint32(Header.INITRD_ADDR_MAX, true) + 1;
    initrdAt = placement.high(initrd.length, 4096, MIB, limit);
    if (initrdAt < 0) {
      throw new BootError(
        'initrd-too-large',
        `${spec.initrdName ?? 'initrd'}: ${initrd.length} bytes do not fit between the kernel and ${hex(Math.min(limit, highEnd(ramSize)))}`,
      );
    }
  }

  const zeroPage = new Uint8Array(ZeroPage.SIZE);
  const data = new DataView(zeroPage.buffer);
  zeroPage.set(image.subarray(Header.SETUP_SECTS, Math.min(headerEnd, ZeroPage.E820_TABLE)), Header.SETUP_SECTS);
  zeroPage[Header.TYPE_OF_LOADER] = LOADER_UNDEFINED;
  data.setUint16(Header.VID_MODE, VID_MODE_NORMAL, true);
  data.setUint32(Header.CODE32_START, LOAD_ADDRESS, true);
  data.setUint32(Header.CMD_LINE_PTR, lineAt, true);
  if (initrd !== undefined) {
    data.setUint32(Header.RAMDISK_IMAGE, initrdAt, true);
    data.setUint32(Header.RAMDISK_SIZE, initrd.length, true);
  }
  const highKib = Math.max(0, highEnd(ramSize) - MIB) / KIB;
  data.setUint16(ZeroPage.EXT_MEM_K, Math.min(highKib, 0xffff), true);
  data.setUint32(ZeroPage.ALT_MEM_K, highKib, true);
  zeroPage[ZeroPage.VIDEO_MODE] = 3;
  zeroPage[ZeroPage.VIDEO_COLS] = 80;
  zeroPage[ZeroPage.VIDEO_LINES] = 25;
  zeroPage[ZeroPage.IS_VGA] = 1;
  data.setUint16(ZeroPage.VIDEO_POINTS, 16, true);
  data.setBigUint64(ZeroPage.ACPI_RSDP, BigInt(RSDP_AT), true);
  const map = e820(ramSize);
  zeroPage[ZeroPage.E820_ENTRIES] = map.length;
  for (const [index, { base, size, type }] of map.entries()) {
    const at = ZeroPage.E820_TABLE + index * 20;
    data.setBigUint64(at, BigInt(base), true);
    data.setBigUint64(at + 8, BigInt(size), true);
    data.setUint32(at + 16, type, true);
  }

  const chunks = [
    chunk(LOAD_ADDRESS, kernel),
    chunk(zeroPageAt, zeroPage),
    chunk(gdtAt, flatGdt(CODE_SELECTOR, wants64)),
    chunk(lineAt, commandLine),
  ];
  if (wants64) chunks.push(chunk(tablesAt, identityMap(tablesAt)));
  if (initrd !== undefined) chunks.push(chunk(initrdAt, initrd));
  return {
    protocol: 'linux',
    chunks,
    entry: {
      mode: wants64 ? 'long' : 'protected',
      rip: wants64 ? LOAD_ADDRESS + 0x200 : LOAD_ADDRESS,
      gdt: gdtAt,
      codeSelector: CODE_SELECTOR,
      dataSelector: CODE_SELECTOR + 8,
      cr3: tablesAt,
      rax: 0,
      rbx: 0,
      rsi: zeroPageAt,
    },
  };
};
