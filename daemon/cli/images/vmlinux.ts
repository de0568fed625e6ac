// The kernel proper, an ELF file, taken out of a bzImage that would unpack it in the guest (Documentation/x86/boot.rst: payload_offset, payload_length).
import { execFileSync } from 'node:child_process';
import { gunzipSync } from 'node:zlib';
import { unpackLz4 } from './lz4-legacy.js';

const Header = { SETUP_SECTS: 0x1f1, MAGIC: 0x202, VERSION: 0x206, PAYLOAD_OFFSET: 0x248, PAYLOAD_LENGTH: 0x24c } as const;
const HDRS = 0x5372_6448;
/** The first with a payload. */
const OLDEST_VERSION = 0x0208;
/** Longest kernel, far more than one of them is. */
const VMLINUX_MAX = 512 << 20;

/** Who packs it, by the first bytes; a length of four bytes stands behind what any but gzip has packed. */
const PACKERS: readonly { readonly magic: readonly number[]; readonly unpack: (packed: Uint8Array, length: number) => Uint8Array }[] = [
  { magic: [0x1f, 0x8b], unpack: (packed) => gunzipSync(packed, { maxOutputLength: VMLINUX_MAX }) },
  {
    magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a],
    unpack: (packed) => execFileSync('xz', ['-dc'], { input: packed.subarray(0, -4), maxBuffer: VMLINUX_MAX }),
  },
  { magic: [0x02, 0x21, 0x4c, 0x18], unpack: (packed, length) => unpackLz4(packed.subarray(0, -4), length) },
];

/** Throws an Error whose message says what about the image is not so. */
export const vmlinuxOf = (bzImage: Uint8Array): Uint8Array => {
  const data = new DataView(bzImage.buffer, bzImage.byteOffset, bzImage.byteLength);
  if (bzImage.length < Header.PAYLOAD_LENGTH + 4 || data.getUint32(Header.MAGIC, true) !== HDRS)
    throw new Error('the kernel is no bzImage');
  const version = data.getUint16(Header.VERSION, true);
  if (version < OLDEST_VERSION) throw new Error(`the kernel's boot protocol ${version.toString(16)} does not say where its payload is`);
  const from = ((bzImage[Header.SETUP_SECTS] || 4) + 1) * 512 + data.getUint32(Header.PAYLOAD_OFFSET, true);
  const end = from + data.getUint32(Header.PAYLOAD_LENGTH, true);
  if (end > bzImage.length || end - from < 8) throw new Error(`the kernel's payload ends at ${end}, the file at ${bzImage.length}`);
  const packed = bzImage.subarray(from, end);
  const packer = PACKERS.find(({ magic }) => magic.every((byte, i) => packed[i] === byte));
  if (packer === undefined)
    throw new Error(`the kernel's payload begins with ${Buffer.from(packed.subarray(0, 4)).toString('hex')}: neither gzip, xz nor LZ4`);
  const length = data.getUint32(end - 4, true);
  if (length > VMLINUX_MAX) throw new Error(`the kernel's payload says that it has ${length} bytes unpacked; at most ${VMLINUX_MAX}`);
  const kernel = packer.unpack(packed, length);
  if (kernel.length !== length) throw new Error(`the kernel's payload has ${kernel.length} bytes unpacked, not the ${length} that it says`);
  return kernel;
};
