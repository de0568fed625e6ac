// Loads kernels by the Multiboot Specification 0.6.96: ELF32 segments, or the addresses of the a.out kludge; one module; command line; memory map.
import { BootError, hex } from './boot-error.js';
import { asciiz, type BootPlan, type Chunk, chunk, flatGdt } from './boot-plan.js';
import { isElf64, readElf } from './elf.js';
import { EBDA, e820, highEnd, KIB, LOW_START, MIB } from './memory-map.js';
import type { PartitionSpec } from './partition-spec.js';
import { Placement } from './placement.js';

const HEADER_MAGIC = 0x1bad_b002;
const LOADER_MAGIC = 0x2bad_b002;
/** The header lies in the image's first 8 KiB, 4-byte aligned. */
const SEARCH_LIMIT = 8192;
const Flag = { PAGE_ALIGN: 1, MEMORY_INFO: 2, VIDEO: 4, ADDRESSES: 1 << 16 } as const;
/** Bits 0..15 are requirements: a loader that does not know one must refuse. */
const KNOWN_REQUIREMENTS = Flag.PAGE_ALIGN | Flag.MEMORY_INFO | Flag.VIDEO;
const InfoFlag = { MEMORY: 1, COMMAND_LINE: 4, MODULES: 8, MEMORY_MAP: 1 << 6, LOADER_NAME: 1 << 9 } as const;
const CODE_SELECTOR = 0x08;
const COMMAND_LINE_MAX = 4096;

const INFO_SIZE = 0x80;
const MODULE_SIZE = 16;

/** Offset of the multiboot header, or -1. */
export const findMultibootHeader = (image: Uint8Array): number => {
  const data = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const end = Math.min(image.length, SEARCH_LIMIT) - 12;
  for (let at = 0; at <= end; at += 4) {
    if (data.getUint32(at, true) !== HEADER_MAGIC) continue;
    const flags = data.getUint32(at + 4, true);
    if ((HEADER_MAGIC + flags + data.getUint32(at + 8, true)) >>> 0 === 0) return at;
  }
  return -1;
};

/**
 * First word of the command line: the file's name without its folders. The guest reads it, and where the host keeps its files must not be among what it reads: a longer path took it
 * longer, and under the deterministic clock the machine another course. A path could even name one of its options.
 */
const firstWord = (imageName: string): string => imageName.slice(imageName.lastIndexOf('/') + 1).replace(/\s/g, '_');

interface Loaded {
  readonly entry: number;
  readonly chunks: Chunk[];
}

/** Load addresses from the header itself (Multiboot 3.1.3). */
const loadByAddresses = (spec: PartitionSpec, header: number, placement: Placement): Loaded => {
  const { image, imageName } = spec;
  if (header + 32 > image.length)
    throw new BootError(
      'image-truncated',
      `${imageName}: multiboot address fields end at ${hex(header + 32)}, the file at ${hex(image.length)}`,
    );
  const data = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const headerAddress = data.getUint32(header + 12, true);
  const loadAddress = data.getUint32(header + 16, true);
  const loadEnd = data.getUint32(header + 20, true);
  const bssEnd = data.getUint32(header + 24, true);
  const entry = data.getUint32(header + 28, true);
  const offset = header - (headerAddress - loadAddress);
  if (headerAddress < loadAddress || offset < 0) {
    throw new BootError(
      'image-malformed',
      `${imageName}: multiboot load_addr ${hex(loadAddress)} and header_addr ${hex(headerAddress)} do not fit a header at file offset ${hex(header)}`,
    );
  }
  const size = loadEnd === 0 ? image.length - offset : loadEnd - loadAddress;
  if (size <= 0)
    throw new BootError(
      'image-malformed',
      `${imageName}: multiboot load_end_addr ${hex(loadEnd)} is not above load_addr ${hex(loadAddress)}`,
    );
  if (offset + size > image.length)
    throw new BootError(
      'image-truncated',
      `${imageName}: multiboot load area ends at file offset ${hex(offset + size)}, the file at ${hex(image.length)}`,
    );
  const memorySize = bssEnd === 0 ? size : bssEnd - loadAddress;
  if (memorySize < size)
    throw new BootError(
      'image-malformed',
      `${imageName}: multiboot bss_end_addr ${hex(bssEnd)} is below load_end_addr ${hex(loadAddress + size)}`,
    );
  placement.take(loadAddress, memorySize, `${imageName}: load area`);
  if (entry < loadAddress || entry >= loadAddress + memorySize)
    throw new BootError(
      'entry-outside-image',
      `${imageName}: entry_addr ${hex(entry)} is outside ${hex(loadAddress)}..${hex(loadAddress + memorySize)}`,
    );
  return { entry, chunks: [chunk(loadAddress, image.subarray(offset, offset + size), memorySize)] };
};

const loadElf = (spec: PartitionSpec, placement: Placement): Loaded => {
  if (isElf64(spec.image)) throw new BootError('image-unsupported', `${spec.imageName}: multiboot needs ELF class 32, e_ident class is 2`);
  const elf = readElf(spec.image, spec.imageName);
  const chunks = elf.segments.map((segment, index) => {
    placement.take(segment.physical, segment.memorySize, `${spec.imageName}: segment ${index}`);
    return chunk(segment.physical, segment.data, segment.memorySize);
  });
  // e_entry is a virtual address; paging is off, so it is taken to where its segment is loaded.
  const home = elf.segments.find(({ virtual, memorySize }) => elf.entry >= virtual && elf.entry < virtual + memorySize);
  if (home === undefined)
    throw new BootError('entry-outside-image', `${spec.imageName}: e_entry ${hex(elf.entry)} is in no loaded segment`);
  return { entry: elf.entry - home.virtual + home.physical, chunks };
};

const memoryMap = (ramSize: number): Uint8Array => {
  const entries = e820(ramSize);
  const bytes = new Uint8Array(entries.length * 24);
  const data = new DataView(bytes.buffer);
  for (const [index, { base, size, type }] of entries.entries()) {
    const at = index * 24;
    data.setUint32(at, 20, true);
    data.setBigUint64(at + 4, BigInt(base), true);
    data.setBigUint64(at + 12, BigInt(size), true);
    data.setUint32(at + 20, type, true);
  }
  return bytes;
};

/** `header`: offset of the multiboot header in the image. */
export const planMultiboot = (spec: PartitionSpec, header: number): BootPlan => {
  const { image, imageName, initrd, ramSize } = spec;
  const flags = new DataView(image.buffer, image.byteOffset, image.byteLength).getUint32(header + 4, true);
  const unknown = flags & 0xffff & ~KNOWN_REQUIREMENTS;
  if (unknown !== 0)
    throw new BootError('image-unsupported', `${imageName}: multiboot header requires unknown features, flags ${hex(flags)}`);
  const commandLine = asciiz([firstWord(imageName), spec.commandLine ?? ''].join(' ').trim());
  if (commandLine.length > COMMAND_LINE_MAX)
    throw new BootError(
      'command-line-too-long',
      `command line has ${commandLine.length - 1} characters, the limit is ${COMMAND_LINE_MAX - 1}`,
    );

  const placement = new Placement(ramSize);
  const { entry, chunks } = (flags & Flag.ADDRESSES) !== 0 ? loadByAddresses(spec, header, placement) : loadElf(spec, placement);
  let module = 0;
  if (initrd !== undefined) {
    module = placement.low(initrd.length, 4096, Math.max(MIB, placement.end));
    if (module < 0)
      throw new BootError(
        'initrd-too-large',
        `${spec.initrdName ?? 'initrd'}: ${initrd.length} bytes do not fit between the image's end and the end of RAM at ${hex(highEnd(ramSize))}`,
      );
    chunks.push(chunk(module, initrd));
  }

  const map = memoryMap(ramSize);
  const gdt = flatGdt(CODE_SELECTOR, false);
  const name = asciiz('hvd');
  const mapOffset = INFO_SIZE;
  const moduleOffset = mapOffset + map.length;
  const nameOffset = moduleOffset + MODULE_SIZE;
  const gdtOffset = Math.ceil((nameOffset + name.length) / 8) * 8;
  const lineOffset = gdtOffset + gdt.length;
  const block = new Uint8Array(lineOffset + commandLine.length);
  const info = placement.low(block.length, 4096, LOW_START);
  if (info < 0)
    throw new BootError('memory-too-small', `${imageName}: no room for ${block.length} bytes of multiboot information beside the image`);
  block.set(map, mapOffset);
  block.set(name, nameOffset);
  block.set(gdt, gdtOffset);
  block.set(commandLine, lineOffset);
  const data = new DataView(block.buffer);
  const modules = initrd === undefined ? 0 : InfoFlag.MODULES;
  data.setUint32(0, InfoFlag.MEMORY | InfoFlag.COMMAND_LINE | InfoFlag.MEMORY_MAP | InfoFlag.LOADER_NAME | modules, true);
  data.setUint32(4, EBDA / KIB, true);
  data.setUint32(8, Math.max(0, highEnd(ramSize) - MIB) / KIB, true);
  data.setUint32(16, info + lineOffset, true);
  if (initrd !== undefined) {
    data.setUint32(20, 1, true);
    data.setUint32(24, info + moduleOffset, true);
    data.setUint32(moduleOffset, module, true);
    data.setUint32(moduleOffset + 4, module + initrd.length, true);
    data.setUint32(moduleOffset + 8, info + lineOffset, true);
  }
  data.setUint32(44, map.length, true);
  data.setUint32(48, info + mapOffset, true);
  data.setUint32(64, info + nameOffset, true);
  chunks.push(chunk(info, block));
  return {
    protocol: 'multiboot',
    chunks,
    entry: {
      mode: 'protected',
      rip: entry,
      gdt: info + gdtOffset,
      codeSelector: CODE_SELECTOR,
      dataSelector: CODE_SELECTOR + 8,
      cr3: 0,
      rax: LOADER_MAGIC,
      rbx: info,
      rsi: 0,
    },
  };
};
