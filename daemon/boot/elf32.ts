// Reads the parts of an ELF32 executable that a loader needs (System V ABI, chapter 4 and 5). Every field is checked before it is used.
import { BootError, hex } from './boot-error.js';

export interface Segment {
  readonly physical: number;
  readonly virtual: number;
  readonly data: Uint8Array;
  readonly memorySize: number;
}
export interface Elf32 {
  readonly entry: number;
  readonly segments: readonly Segment[];
}

const PT_LOAD = 1;
const ET_EXEC = 2;
const EM_386 = 3;
const HEADER_SIZE = 52;
const PROGRAM_HEADER_SIZE = 32;

export const isElf = (image: Uint8Array): boolean =>
  image.length >= 4 && image[0] === 0x7f && image[1] === 0x45 && image[2] === 0x4c && image[3] === 0x46;

export const readElf32 = (image: Uint8Array, name: string): Elf32 => {
  const data = new DataView(image.buffer, image.byteOffset, image.byteLength);
  if (image.length < HEADER_SIZE)
    throw new BootError('image-truncated', `${name}: ELF header needs ${HEADER_SIZE} bytes, the file has ${image.length}`);
  if (image[4] !== 1) throw new BootError('image-unsupported', `${name}: multiboot needs ELF class 32, e_ident class is ${image[4]}`);
  if (image[5] !== 1) throw new BootError('image-unsupported', `${name}: e_ident data encoding is ${image[5]}, not little-endian`);
  const type = data.getUint16(16, true);
  if (type !== ET_EXEC) throw new BootError('image-unsupported', `${name}: e_type is ${type}, not an executable (2)`);
  const machine = data.getUint16(18, true);
  if (machine !== EM_386) throw new BootError('image-unsupported', `${name}: e_machine is ${machine}, not Intel 80386 (3)`);
  const entry = data.getUint32(24, true);
  const tableAt = data.getUint32(28, true);
  const entrySize = data.getUint16(42, true);
  const count = data.getUint16(44, true);
  if (entrySize < PROGRAM_HEADER_SIZE)
    throw new BootError('image-malformed', `${name}: e_phentsize is ${entrySize}, below ${PROGRAM_HEADER_SIZE}`);
  if (tableAt + count * entrySize > image.length) {
    throw new BootError(
      'image-truncated',
      `${name}: program headers end at ${hex(tableAt + count * entrySize)}, the file at ${hex(image.length)}`,
    );
  }
  const segments: Segment[] = [];
  for (let index = 0; index < count; index++) {
    const at = tableAt + index * entrySize;
    if (data.getUint32(at, true) !== PT_LOAD) continue;
    const offset = data.getUint32(at + 4, true);
    const fileSize = data.getUint32(at + 16, true);
    const memorySize = data.getUint32(at + 20, true);
    if (memorySize === 0) continue;
    if (fileSize > memorySize)
      throw new BootError('image-malformed', `${name}: segment ${index}: p_filesz ${hex(fileSize)} above p_memsz ${hex(memorySize)}`);
    if (offset + fileSize > image.length) {
      throw new BootError(
        'image-truncated',
        `${name}: segment ${index} ends at ${hex(offset + fileSize)}, the file at ${hex(image.length)}`,
      );
    }
    segments.push({
      physical: data.getUint32(at + 12, true),
      virtual: data.getUint32(at + 8, true),
      data: image.subarray(offset, offset + fileSize),
      memorySize,
    });
  }
  if (segments.length === 0) throw new BootError('image-malformed', `${name}: no loadable segment among ${count} program headers`);
  return { entry, segments };
};
