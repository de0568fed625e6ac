// Hand-made images for the loader tests: the smallest multiboot ELF, a.out-kludge image and bzImage that are right, to be made wrong in one way each.

const MULTIBOOT_MAGIC = 0x1bad_b002;

export interface ElfSegment {
  readonly address: number;
  readonly data: Uint8Array;
  readonly memorySize?: number;
}

/** ELF32 with a multiboot header in front of the first segment's bytes. */
export const multibootElf = (segments: readonly ElfSegment[], options: { entry?: number; flags?: number } = {}): Uint8Array => {
  const tableAt = 52;
  const headerAt = tableAt + segments.length * 32;
  let offset = Math.ceil((headerAt + 12) / 16) * 16;
  const image = new Uint8Array(offset + segments.reduce((total, { data }) => total + data.length, 0));
  const view = new DataView(image.buffer);
  image.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, 3, true);
  view.setUint32(20, 1, true);
  view.setUint32(24, options.entry ?? segments[0].address, true);
  view.setUint32(28, tableAt, true);
  view.setUint16(40, 52, true);
  view.setUint16(42, 32, true);
  view.setUint16(44, segments.length, true);
  const flags = options.flags ?? 3;
  view.setUint32(headerAt, MULTIBOOT_MAGIC, true);
  view.setUint32(headerAt + 4, flags, true);
  view.setUint32(headerAt + 8, -(MULTIBOOT_MAGIC + flags) >>> 0, true);
  for (const [index, { address, data, memorySize }] of segments.entries()) {
    const at = tableAt + index * 32;
    view.setUint32(at, 1, true);
    view.setUint32(at + 4, offset, true);
    view.setUint32(at + 8, address, true);
    view.setUint32(at + 12, address, true);
    view.setUint32(at + 16, data.length, true);
    view.setUint32(at + 20, memorySize ?? data.length, true);
    image.set(data, offset);
    offset += data.length;
  }
  return image;
};

/** A flat image that gives its own addresses (Multiboot 3.1.3). */
export const multibootFlat = (fields: {
  load: number;
  loadEnd?: number;
  bssEnd?: number;
  entry: number;
  headerAt?: number;
  size: number;
}): Uint8Array => {
  const headerAt = fields.headerAt ?? 0;
  const image = new Uint8Array(fields.size).fill(0x90);
  const view = new DataView(image.buffer);
  const flags = 0x1_0003;
  const values = [
    MULTIBOOT_MAGIC,
    flags,
    -(MULTIBOOT_MAGIC + flags) >>> 0,
    fields.load + headerAt,
    fields.load,
    fields.loadEnd ?? 0,
    fields.bssEnd ?? 0,
    fields.entry,
  ];
  for (const [index, value] of values.entries()) view.setUint32(headerAt + index * 4, value, true);
  return image;
};

/** A bzImage of protocol 2.12 whose kernel is `kernel`. */
export const bzImage = (
  kernel: Uint8Array,
  fields: { xloadflags?: number; initSize?: number; version?: number; initrdMax?: number; relocatable?: number; preferred?: number } = {},
): Uint8Array => {
  const image = new Uint8Array(3 * 512 + kernel.length);
  const view = new DataView(image.buffer);
  image[0x1f1] = 2;
  view.setUint32(0x1f4, Math.ceil(kernel.length / 16), true);
  view.setUint16(0x1fe, 0xaa55, true);
  view.setUint16(0x200, 0x66eb, true);
  view.setUint32(0x202, 0x5372_6448, true);
  view.setUint16(0x206, fields.version ?? 0x020c, true);
  image[0x211] = 1;
  view.setUint32(0x214, 0x10_0000, true);
  view.setUint32(0x22c, fields.initrdMax ?? 0x7fff_ffff, true);
  image[0x234] = fields.relocatable ?? 0;
  view.setUint16(0x236, fields.xloadflags ?? 0, true);
  view.setUint32(0x238, 255, true);
  view.setBigUint64(0x258, BigInt(fields.preferred ?? 0x10_0000), true);
  view.setUint32(0x260, fields.initSize ?? 0x1_0000, true);
  image.set(kernel, 3 * 512);
  return image;
};

/** An ELF file of either class with a PVH entry among its notes, behind a note of somebody else's. */
export const pvhElf = (
  bits: 32 | 64,
  segments: readonly ElfSegment[],
  { entry = segments[0]!.address, noteBytes = 4, noteName = 'Xen' }: { entry?: number; noteBytes?: 4 | 8; noteName?: string },
): Uint8Array => {
  const is64 = bits === 64;
  const [headerSize, entrySize] = is64 ? [64, 56] : [52, 32];
  const note = (name: string, type: number, data: Uint8Array): Uint8Array => {
    const bytes = Buffer.alloc(12 + Math.ceil((name.length + 1) / 4) * 4 + Math.ceil(data.length / 4) * 4);
    bytes.writeUInt32LE(name.length + 1, 0);
    bytes.writeUInt32LE(data.length, 4);
    bytes.writeUInt32LE(type, 8);
    bytes.write(name, 12);
    bytes.set(data, 12 + Math.ceil((name.length + 1) / 4) * 4);
    return bytes;
  };
  const where = Buffer.alloc(noteBytes);
  where.writeUInt32LE(entry, 0);
  const notes = Buffer.concat([note('Linux', 18, Buffer.of(9)), note(noteName, 18, where)]);
  const tableAt = headerSize;
  const notesAt = tableAt + (segments.length + 1) * entrySize;
  const image = new Uint8Array(notesAt + notes.length + segments.reduce((total, { data }) => total + data.length, 0));
  const view = new DataView(image.buffer);
  const word = (at: number, value: number): void => {
    if (is64) view.setBigUint64(at, BigInt(value), true);
    else view.setUint32(at, value, true);
  };
  image.set([0x7f, 0x45, 0x4c, 0x46, is64 ? 2 : 1, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, is64 ? 62 : 3, true);
  view.setUint32(20, 1, true);
  word(is64 ? 32 : 28, tableAt);
  view.setUint16(is64 ? 54 : 42, entrySize, true);
  view.setUint16(is64 ? 56 : 44, segments.length + 1, true);
  const header = (index: number, type: number, offset: number, address: number, fileSize: number, memorySize: number): void => {
    const at = tableAt + index * entrySize;
    view.setUint32(at, type, true);
    for (const [field, value] of [offset, address, address, fileSize, memorySize].entries())
      word(at + (is64 ? 8 + field * 8 : 4 + field * 4), value);
  };
  header(0, 4, notesAt, 0, notes.length, notes.length);
  image.set(notes, notesAt);
  let offset = notesAt + notes.length;
  for (const [index, { address, data, memorySize }] of segments.entries()) {
    header(index + 1, 1, offset, address, data.length, memorySize ?? data.length);
    image.set(data, offset);
    offset += data.length;
  }
  return image;
};
