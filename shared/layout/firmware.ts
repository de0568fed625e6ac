// The ROM of a partition that boots through a BIOS, and the files that its configuration device hands over: where root has put them, and where processors see them.
// Both are behind guest RAM and overlay pages; a partition without has `romPages` 0, and its RAM is all that there is below 1 MiB.
//
//   4 GiB - romPages     the whole ROM; a processor starts sixteen bytes below its end (SDM 3A 10.1.4)
//   E0000h to FFFFFh     its last 128 KiB, where the host bridge's PAM registers send reads to the bus; C0000h to DFFFFh: nothing then
//
// PAM registers 59h to 5Fh of the host bridge, bits for each piece: 0 reads, 1 writes of it go to RAM (82441FX data sheet, 3.2.18).
//   59h: bits 4, 5: F0000h to FFFFFh     5Ah + n: bits 0, 1 and 4, 5: the 16 KiB at C0000h + n * 32 KiB, and those after
import { DeviceMap } from './devices.js';
import { PartitionMap } from './partition.js';
import { accessor, struct, u32 } from './struct.js';

export const FirmwareLayout = struct('Firmware', {
  romPages: u32,
  /** Frame of its first page, counted from the beginning of guest RAM. */
  romFrame: u32,
  /** Address in partition memory of the file directory as guests read it, `directoryBytes` of it; the files' contents follow, one after the other. */
  directory: u32,
  directoryBytes: u32,
});
export const Firmware = accessor(FirmwareLayout);
export type Firmware = InstanceType<typeof Firmware>;
export const romAddress = (firmware: Firmware): number => PartitionMap.RAM + firmware.romFrame * 4096;

/** The file directory (QEMU, docs/specs/fw_cfg): a big-endian count, then entries of size, selector and name. */
export const DIRECTORY_HEAD_BYTES = 4;
export const DirectoryEntry = { SIZE: 0, SELECTOR: 4, NAME: 8, BYTES: 64 } as const;
/** Longest name of a file, bytes, with its zero. */
export const FILE_NAME_BYTES = DirectoryEntry.BYTES - DirectoryEntry.NAME;
/** Selector of the first file; the others have the next ones. */
export const FIRST_FILE = 0x20;

/** First frame whose accesses PAM registers steer, and the first above; frame at 4 GiB. */
export const PAM_FIRST = 0xc0;
export const PAM_END = 0x100;
export const FRAMES_4G = 0x10_0000;
/** Pages of the ROM that are seen below 1 MiB at most. */
export const LOW_ROM_PAGES = 32;
export const PamAccess = { READ: 1, WRITE: 2 } as const;
export const PAM_REGISTERS = 0x59;
export const PAM_REGISTERS_END = 0x60;
const PAM_TOP = 0xf0;

/** Bits of the two double words at register 58h, counted on, that steer a frame. */
const pamBit = (gfn: number): number => (gfn >= PAM_TOP ? 8 + 4 : 16 + ((gfn - PAM_FIRST) >>> 2) * 4);
const PAM_WORDS = DeviceMap.PCI_CONFIG + (PAM_REGISTERS & ~3);

/** PamAccess bits of a frame from PAM_FIRST to PAM_END. `read`: a double word of partition memory. */
export const pamAccessOf = (gfn: number, read: (address: number) => number): number => {
  const bit = pamBit(gfn);
  return (read(PAM_WORDS + (bit >>> 5) * 4) >>> (bit & 31)) & (PamAccess.READ | PamAccess.WRITE);
};
/** Page of a ROM of `pages` pages that is at a frame below 1 MiB when reads go to the bus; -1: none. */
export const lowRomPage = (gfn: number, pages: number): number => {
  const page = gfn + pages - PAM_END;
  return page >= Math.max(0, pages - LOW_ROM_PAGES) && page < pages ? page : -1;
};
/** Every frame where the ROM may be seen, or RAM be kept from writes. */
export const firmwareFrames = (pages: number): readonly number[] => [
  ...Array.from({ length: PAM_END - PAM_FIRST }, (_, i) => PAM_FIRST + i),
  ...Array.from({ length: pages }, (_, i) => FRAMES_4G - pages + i),
];
