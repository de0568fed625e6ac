// Archives as the kernel unpacks them into its first root file system: cpio "newc" (Documentation/driver-api/early-userspace/buffer-format.rst).

export interface CpioEntry {
  readonly name: string;
  /** Type and permissions, as in stat. */
  readonly mode: number;
  readonly data?: Uint8Array;
  /** Major and minor number of a device node. */
  readonly device?: readonly [number, number];
}

const HEADER = 110;
const aligned = (length: number): number => (length + 3) & ~3;

const record = ({ name, mode, data = new Uint8Array(), device = [0, 0] }: CpioEntry, inode: number): Uint8Array => {
  const nameSize = Buffer.byteLength(name) + 1;
  const fields = [inode, mode, 0, 0, 1, 0, data.length, 0, 0, device[0], device[1], nameSize, 0];
  const bytes = Buffer.alloc(aligned(HEADER + nameSize) + aligned(data.length));
  bytes.write(`070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}${name}`, 0);
  bytes.set(data, aligned(HEADER + nameSize));
  return bytes;
};

/** The archive with its trailer; folders stand before what is in them. */
export const cpio = (entries: readonly CpioEntry[]): Uint8Array =>
  Buffer.concat([...entries, { name: 'TRAILER!!!', mode: 0 }].map((entry, index) => record(entry, index + 1)));
