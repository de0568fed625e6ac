// Reads the parts of an ELF executable of either class that a loader needs (System V ABI, chapters 4 and 5). Every field is checked before it is used.
import { BootError, hex } from './boot-error.js';

export interface Segment {
  readonly physical: number;
  /** Not exact above 2^53. */
  readonly virtual: number;
  readonly data: Uint8Array;
  readonly memorySize: number;
}
export interface Note {
  readonly name: string;
  readonly type: number;
  readonly data: Uint8Array;
}
export interface Elf {
  readonly bits: 32 | 64;
  readonly entry: number;
  readonly segments: readonly Segment[];
  readonly notes: readonly Note[];
}

const PT_LOAD = 1;
const PT_NOTE = 4;
const ET_EXEC = 2;
const CLASS_32 = 1;
const CLASS_64 = 2;
/** By class: size of the header and of a program header, e_machine, and where the fields are; `w`: in a program header. */
const CLASSES = {
  [CLASS_32]: {
    bits: 32,
    header: 52,
    programHeader: 32,
    machine: 3,
    machineName: 'Intel 80386',
    at: { entry: 24, table: 28, entrySize: 42, count: 44 },
    w: { offset: 4, virtual: 8, physical: 12, fileSize: 16, memorySize: 20 },
  },
  [CLASS_64]: {
    bits: 64,
    header: 64,
    programHeader: 56,
    machine: 62,
    machineName: 'AMD x86-64',
    at: { entry: 24, table: 32, entrySize: 54, count: 56 },
    w: { offset: 8, virtual: 16, physical: 24, fileSize: 32, memorySize: 40 },
  },
} as const;
const LARGEST_HEADER = 64;

export const isElf = (image: Uint8Array): boolean =>
  image.length >= 4 && image[0] === 0x7f && image[1] === 0x45 && image[2] === 0x4c && image[3] === 0x46;

/** Whether it is one of 64 bits. */
export const isElf64 = (image: Uint8Array): boolean => isElf(image) && image[4] === CLASS_64;

export const readElf = (image: Uint8Array, name: string): Elf => {
  const data = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const known = image[4] === CLASS_32 || image[4] === CLASS_64 ? CLASSES[image[4]] : undefined;
  const header = known?.header ?? LARGEST_HEADER;
  if (image.length < header)
    throw new BootError('image-truncated', `${name}: ELF header needs ${header} bytes, the file has ${image.length}`);
  if (known === undefined)
    throw new BootError('image-unsupported', `${name}: e_ident class is ${image[4]}, neither 32 (1) nor 64 bits (2)`);
  if (image[5] !== 1) throw new BootError('image-unsupported', `${name}: e_ident data encoding is ${image[5]}, not little-endian`);
  const type = data.getUint16(16, true);
  if (type !== ET_EXEC) throw new BootError('image-unsupported', `${name}: e_type is ${type}, not an executable (2)`);
  const machine = data.getUint16(18, true);
  if (machine !== known.machine)
    throw new BootError('image-unsupported', `${name}: e_machine is ${machine}, not ${known.machineName} (${known.machine})`);
  const word = (at: number): number => (known.bits === 64 ? Number(data.getBigUint64(at, true)) : data.getUint32(at, true));
  const tableAt = word(known.at.table);
  const entrySize = data.getUint16(known.at.entrySize, true);
  const count = data.getUint16(known.at.count, true);
  if (entrySize < known.programHeader)
    throw new BootError('image-malformed', `${name}: e_phentsize is ${entrySize}, below ${known.programHeader}`);
  if (tableAt + count * entrySize > image.length) {
    throw new BootError(
      'image-truncated',
      `${name}: program headers end at ${hex(tableAt + count * entrySize)}, the file at ${hex(image.length)}`,
    );
  }
  const segments: Segment[] = [];
  const notes: Note[] = [];
  for (let index = 0; index < count; index++) {
    const at = tableAt + index * entrySize;
    const kind = data.getUint32(at, true);
    if (kind !== PT_LOAD && kind !== PT_NOTE) continue;
    const offset = word(at + known.w.offset);
    const fileSize = word(at + known.w.fileSize);
    const memorySize = word(at + known.w.memorySize);
    if (memorySize === 0) continue;
    if (fileSize > memorySize)
      throw new BootError('image-malformed', `${name}: segment ${index}: p_filesz ${hex(fileSize)} above p_memsz ${hex(memorySize)}`);
    if (offset + fileSize > image.length) {
      throw new BootError(
        'image-truncated',
        `${name}: segment ${index} ends at ${hex(offset + fileSize)}, the file at ${hex(image.length)}`,
      );
    }
    const bytes = image.subarray(offset, offset + fileSize);
    if (kind === PT_NOTE) notes.push(...readNotes(bytes));
    else segments.push({ physical: word(at + known.w.physical), virtual: word(at + known.w.virtual), data: bytes, memorySize });
  }
  if (segments.length === 0) throw new BootError('image-malformed', `${name}: no loadable segment among ${count} program headers`);
  return { bits: known.bits, entry: word(known.at.entry), segments, notes };
};

/** Words of 32 bits in both classes; what does not fit ends them. */
const readNotes = (bytes: Uint8Array): Note[] => {
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const aligned = (size: number): number => Math.ceil(size / 4) * 4;
  const notes: Note[] = [];
  for (let at = 0; at + 12 <= bytes.length; ) {
    const nameSize = data.getUint32(at, true);
    const dataSize = data.getUint32(at + 4, true);
    const dataAt = at + 12 + aligned(nameSize);
    if (dataAt + dataSize > bytes.length) break;
    const name = new TextDecoder('latin1').decode(bytes.subarray(at + 12, at + 12 + Math.max(0, nameSize - 1)));
    notes.push({ name, type: data.getUint32(at + 8, true), data: bytes.subarray(dataAt, dataAt + dataSize) });
    at = dataAt + aligned(dataSize);
  }
  return notes;
};
