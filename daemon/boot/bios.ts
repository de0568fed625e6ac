// A partition that boots as a PC does: a ROM at its top of memory, and the files that its BIOS asks the configuration device for. Nothing is loaded: processors begin at
// the reset vector, and RAM is empty.
import { DeviceMap, PlatformAddress } from '../../shared/layout/devices.js';
import {
  DIRECTORY_HEAD_BYTES,
  DirectoryEntry,
  FILE_NAME_BYTES,
  FIRST_FILE,
  Firmware,
  firmwareFrames,
  romAddress,
} from '../../shared/layout/firmware.js';
import { PageFlag, PartitionMap } from '../../shared/layout/partition.js';
import type { Views } from '../../shared/layout/struct.js';
import { BootError } from './boot-error.js';
import type { BootPlan } from './boot-plan.js';
import type { BiosSpec, PartitionSpec } from './partition-spec.js';

const KIB = 1024;
const PAGE = 4096;
/** A ROM chip's sizes that are decoded here: the least that a PC's BIOS has, and what is left free of devices below 4 GiB. */
const ROM_STEP = 64 * KIB;
export const ROM_MAX = 1024 * KIB;
/** Largest option ROM: what there is from C0000h to the BIOS. */
export const OPTION_ROM_MAX = 128 * KIB;
const ROM_SIGNATURE = 0xaa55;
/** Partition memory comes in such pieces. */
const PIECE = 0x1_0000;

interface BiosFile {
  readonly name: string;
  readonly data: Uint8Array;
}

/** What SeaBIOS looks for (src/optionroms.c, src/sercon.c): video ROMs to run, and the port of a serial console that shows what INT 10h writes, and types. */
const filesOf = ({ videoRom }: BiosSpec): readonly BiosFile[] => [
  { name: 'etc/sercon-port', data: Uint8Array.of(PlatformAddress.COM1 & 0xff, PlatformAddress.COM1 >>> 8) },
  ...(videoRom === undefined ? [] : [{ name: `vgaroms/${videoRom.name}`.slice(0, FILE_NAME_BYTES - 1), data: videoRom.data }]),
];

const directoryBytesOf = (files: readonly BiosFile[]): number => DIRECTORY_HEAD_BYTES + files.length * DirectoryEntry.BYTES;

/** Memory behind guest RAM that ROM and files take, bytes. */
export const firmwareBytesOf = (romBytes: number, bios: BiosSpec): number => {
  const files = filesOf(bios);
  const bytes = files.reduce((total, { data }) => total + data.length, directoryBytesOf(files));
  return Math.ceil(romBytes / PAGE) * PAGE + Math.ceil(bytes / PIECE) * PIECE;
};

/** Throws BootError. */
export const planBios = ({ image, imageName, bios, initrd, commandLine }: PartitionSpec): BootPlan => {
  if (image.length === 0 || image.length > ROM_MAX || image.length % ROM_STEP !== 0)
    throw new BootError(
      'bios-size',
      `${imageName}: a BIOS of ${image.length} bytes; expected ${ROM_STEP / KIB} KiB to ${ROM_MAX / KIB} KiB in steps of ${ROM_STEP / KIB} KiB`,
    );
  if (initrd !== undefined || commandLine !== undefined)
    throw new BootError('bios-loads-nothing', `${imageName}: a BIOS boots from disks and takes neither an initrd nor a command line`);
  const rom = bios?.videoRom;
  if (
    rom !== undefined &&
    (rom.data.length > OPTION_ROM_MAX || rom.data.length < 3 || (rom.data[0] | (rom.data[1] << 8)) !== ROM_SIGNATURE)
  )
    throw new BootError(
      'video-bios',
      `${rom.name}: expected an option ROM, which begins with 55 AA, of at most ${OPTION_ROM_MAX / KIB} KiB; got ${rom.data.length} bytes`,
    );
  return { protocol: 'bios', chunks: [] };
};

/** `at`: the address in partition memory, of a page, from which on it is theirs. The memory is zero. */
export const writeBios = (views: Views, { image, bios }: PartitionSpec, at: number): void => {
  const files = filesOf(bios ?? {});
  const firmware = new Firmware(views, DeviceMap.FIRMWARE);
  firmware.romPages = image.length / PAGE;
  firmware.romFrame = (at - PartitionMap.RAM) / PAGE;
  firmware.directory = at + image.length;
  firmware.directoryBytes = directoryBytesOf(files);
  views.u8.set(image, romAddress(firmware));
  writeFiles(views, firmware, files);
  for (const gfn of firmwareFrames(firmware.romPages)) views.u32[(PartitionMap.PAGE_FLAGS >>> 2) + gfn] |= PageFlag.OVERLAID;
};

const writeFiles = ({ u8, data }: Views, { directory, directoryBytes }: Firmware, files: readonly BiosFile[]): void => {
  data.setUint32(directory, files.length);
  let entry = directory + DIRECTORY_HEAD_BYTES;
  let contents = directory + directoryBytes;
  for (const [index, file] of files.entries()) {
    data.setUint32(entry + DirectoryEntry.SIZE, file.data.length);
    data.setUint16(entry + DirectoryEntry.SELECTOR, FIRST_FILE + index);
    u8.set(new TextEncoder().encode(file.name).subarray(0, FILE_NAME_BYTES - 1), entry + DirectoryEntry.NAME);
    u8.set(file.data, contents);
    entry += DirectoryEntry.BYTES;
    contents += file.data.length;
  }
};
