// Loads kernels that are ELF executables of either class by the x86/HVM direct boot ABI, "PVH" (Xen, docs/misc/pvh.pandoc, public/arch-x86/hvm/start_info.h): an ELF note gives
// the entry, 32-bit code without paging, and EBX the information. Linux's vmlinux has it: nothing is unpacked in the guest.
import { BootError, hex } from './boot-error.js';
import { asciiz, type BootPlan, chunk, flatGdt } from './boot-plan.js';
import { type Elf, readElf } from './elf.js';
import { e820, highEnd, LOW_START, MIB, RSDP_AT } from './memory-map.js';
import type { PartitionSpec } from './partition-spec.js';
import { Placement } from './placement.js';

/** XEN_ELFNOTE_PHYS32_ENTRY. */
const PHYS32_ENTRY = 18;
const MAGIC = 0x336e_c578;
/** The first with a memory map. */
const VERSION = 1;
const CODE_SELECTOR = 0x10;
const COMMAND_LINE_MAX = 4096;
/** Offsets in hvm_start_info. */
const StartInfo = {
  MAGIC: 0,
  VERSION: 4,
  MODULES: 12,
  MODULE_LIST: 16,
  COMMAND_LINE: 24,
  RSDP: 32,
  MEMORY_MAP: 40,
  MEMORY_MAP_ENTRIES: 48,
  SIZE: 56,
} as const;
const MODULE_SIZE = 32;
const MEMORY_MAP_SIZE = 24;

const entryOf = ({ notes }: Elf): number | undefined => {
  const note = notes.find(({ name, type, data }) => name === 'Xen' && type === PHYS32_ENTRY && (data.length === 4 || data.length === 8));
  if (note === undefined) return undefined;
  const data = new DataView(note.data.buffer, note.data.byteOffset, note.data.byteLength);
  return note.data.length === 4 ? data.getUint32(0, true) : Number(data.getBigUint64(0, true));
};

/** `image` is an ELF file. Undefined: without such an entry. */
export const planPvh = (spec: PartitionSpec): BootPlan | undefined => {
  const { imageName, initrd, ramSize } = spec;
  const elf = readElf(spec.image, imageName);
  const entry = entryOf(elf);
  if (entry === undefined) return undefined;
  const commandLine = asciiz(spec.commandLine ?? '');
  if (commandLine.length > COMMAND_LINE_MAX)
    throw new BootError(
      'command-line-too-long',
      `command line has ${commandLine.length - 1} characters, the limit is ${COMMAND_LINE_MAX - 1}`,
    );
  const placement = new Placement(ramSize);
  const chunks = elf.segments.map(({ physical, data, memorySize }, index) => {
    placement.take(physical, memorySize, `${imageName}: segment ${index}`);
    return chunk(physical, data, memorySize);
  });
  if (!elf.segments.some(({ physical, memorySize }) => entry >= physical && entry < physical + memorySize))
    throw new BootError('entry-outside-image', `${imageName}: its PVH entry ${hex(entry)} is in no loaded segment`);

  const map = e820(ramSize);
  const mapAt = StartInfo.SIZE;
  const moduleAt = mapAt + map.length * MEMORY_MAP_SIZE;
  const gdtAt = Math.ceil((moduleAt + MODULE_SIZE) / 8) * 8;
  const gdt = flatGdt(CODE_SELECTOR, false);
  const lineAt = gdtAt + gdt.length;
  const block = new Uint8Array(lineAt + commandLine.length);
  const info = placement.low(block.length, 4096, LOW_START, MIB);
  if (info < 0) throw new BootError('memory-too-small', `${imageName}: no room below 1 MiB for ${block.length} bytes of start information`);
  const initrdAt = initrd === undefined ? 0 : placement.high(initrd.length, 4096, MIB, 2 ** 32);
  if (initrdAt < 0)
    throw new BootError(
      'initrd-too-large',
      `${spec.initrdName ?? 'initrd'}: ${initrd?.length ?? 0} bytes do not fit between the kernel and ${hex(highEnd(ramSize))}`,
    );

  block.set(gdt, gdtAt);
  block.set(commandLine, lineAt);
  const data = new DataView(block.buffer);
  data.setUint32(StartInfo.MAGIC, MAGIC, true);
  data.setUint32(StartInfo.VERSION, VERSION, true);
  data.setBigUint64(StartInfo.COMMAND_LINE, BigInt(info + lineAt), true);
  data.setBigUint64(StartInfo.RSDP, BigInt(RSDP_AT), true);
  data.setBigUint64(StartInfo.MEMORY_MAP, BigInt(info + mapAt), true);
  data.setUint32(StartInfo.MEMORY_MAP_ENTRIES, map.length, true);
  for (const [index, { base, size, type }] of map.entries()) {
    const at = mapAt + index * MEMORY_MAP_SIZE;
    data.setBigUint64(at, BigInt(base), true);
    data.setBigUint64(at + 8, BigInt(size), true);
    data.setUint32(at + 16, type, true);
  }
  if (initrd !== undefined) {
    data.setUint32(StartInfo.MODULES, 1, true);
    data.setBigUint64(StartInfo.MODULE_LIST, BigInt(info + moduleAt), true);
    data.setBigUint64(moduleAt, BigInt(initrdAt), true);
    data.setBigUint64(moduleAt + 8, BigInt(initrd.length), true);
    chunks.push(chunk(initrdAt, initrd));
  }
  chunks.push(chunk(info, block));
  return {
    protocol: 'pvh',
    chunks,
    entry: {
      mode: 'protected',
      rip: entry,
      gdt: info + gdtAt,
      codeSelector: CODE_SELECTOR,
      dataSelector: CODE_SELECTOR + 8,
      cr3: 0,
      rax: 0,
      rbx: info,
      rsi: 0,
    },
  };
};
