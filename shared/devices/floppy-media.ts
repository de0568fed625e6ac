// The floppies that there are, by the size of their image: how a controller addresses them, at which rate it reads them, and the drive's type in CMOS.
// Reference: Intel 82077AA data sheet, table 4-1 (data rates); IBM PC/AT Technical Reference, CMOS byte 10h.
import { SECTOR_BYTES } from '../abi/virtio.js';

export interface FloppyMedium {
  readonly name: string;
  readonly cylinders: number;
  readonly heads: number;
  /** Sectors of a track. */
  readonly trackSectors: number;
  /** As in the controller's data rate select register: 0 = 500, 2 = 250, 3 = 1000 kbit/s. */
  readonly rate: number;
  /** Of a drive for it. */
  readonly cmosType: number;
}
export const FLOPPY_MEDIA: readonly FloppyMedium[] = [
  { name: '720K', cylinders: 80, heads: 2, trackSectors: 9, rate: 2, cmosType: 3 },
  { name: '1.2M', cylinders: 80, heads: 2, trackSectors: 15, rate: 0, cmosType: 2 },
  { name: '1.44M', cylinders: 80, heads: 2, trackSectors: 18, rate: 0, cmosType: 4 },
  { name: '2.88M', cylinders: 80, heads: 2, trackSectors: 36, rate: 3, cmosType: 5 },
];

const sectorsOf = ({ cylinders, heads, trackSectors }: FloppyMedium): number => cylinders * heads * trackSectors;

/** Undefined: no floppy has so many. */
export const floppyOf = (sectors: number): FloppyMedium | undefined => FLOPPY_MEDIA.find((medium) => sectorsOf(medium) === sectors);

/** `737280 (720K), 1228800 (1.2M)`: for whoever has an image of another size. */
export const floppySizes = (): string => {
  const sizes = FLOPPY_MEDIA.map((medium) => `${sectorsOf(medium) * SECTOR_BYTES} (${medium.name})`);
  return `${sizes.slice(0, -1).join(', ')} or ${sizes.at(-1)}`;
};
