// What an IDE disk says about itself, and the geometry that it is addressed by without LBA (ATA/ATAPI-6, 8.15.8; annex B for translations).
import { SECTOR_BYTES } from '../../shared/abi/virtio.js';
import { SERIAL_BYTES, type VirtualDevice } from '../../shared/layout/virtual-devices.js';

const HEADS = 16;
const TRACK_SECTORS = 63;
const CYLINDERS_MAX = 16_383;
const LBA_28_MAX = 0x0fff_ffff;
const Word = {
  GENERAL: 0,
  CYLINDERS: 1,
  HEADS: 3,
  SECTORS: 6,
  SERIAL: 10,
  FIRMWARE: 23,
  MODEL: 27,
  CAPABILITIES: 49,
  VALID: 53,
  LBA_28: 60,
  MAJOR: 80,
  SETS: 83,
  ENABLED: 86,
  LBA_48: 100,
} as const;
const FIXED = 0x0040;
const LBA_SUPPORTED = 1 << 9;
/** Versions ATA/ATAPI-1 to 6. */
const MAJOR = 0x007e;
/** 48-bit addresses, FLUSH CACHE and FLUSH CACHE EXT; bit 14 of word 83 says that it is valid. */
const SETS = (1 << 10) | (1 << 12) | (1 << 13);
const VALID = 1 << 14;

/** Sector number of a cylinder, head and sector, which counts from 1; negative where there is none. */
export const lbaOfChs = (cylinder: number, head: number, sector: number): number =>
  sector === 0 || sector > TRACK_SECTORS ? -1 : (cylinder * HEADS + head) * TRACK_SECTORS + sector - 1;

export const identifyBytes = (drive: VirtualDevice): Uint8Array => {
  const bytes = new Uint8Array(SECTOR_BYTES);
  const view = new DataView(bytes.buffer);
  const put = (word: number, value: number): void => view.setUint16(word * 2, value, true);
  // Two characters a word, the first in its high byte, and blanks behind them.
  const text = (word: number, characters: string, length: number): void => {
    for (let i = 0; i < length; i++) bytes[word * 2 + (i ^ 1)] = characters.charCodeAt(i) || 0x20;
  };
  const sectors = drive.sectorsNum;
  put(Word.GENERAL, FIXED);
  put(Word.CYLINDERS, Math.max(1, Math.min(CYLINDERS_MAX, Math.floor(sectors / (HEADS * TRACK_SECTORS)))));
  put(Word.HEADS, HEADS);
  put(Word.SECTORS, TRACK_SECTORS);
  const serial = Array.from(drive.views.u8.subarray(drive.serial, drive.serial + SERIAL_BYTES), (byte) =>
    byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ' ',
  );
  text(Word.SERIAL, serial.join(''), SERIAL_BYTES);
  text(Word.FIRMWARE, '1.0', 8);
  text(Word.MODEL, 'HVD DISK', 40);
  put(Word.CAPABILITIES, LBA_SUPPORTED);
  put(Word.VALID, 0);
  view.setUint32(Word.LBA_28 * 2, Math.min(sectors, LBA_28_MAX), true);
  put(Word.MAJOR, MAJOR);
  put(Word.SETS, VALID | SETS);
  put(Word.ENABLED, SETS);
  view.setBigUint64(Word.LBA_48 * 2, BigInt(sectors), true);
  return bytes;
};
