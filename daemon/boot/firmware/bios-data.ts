// The BIOS data area, interrupt vectors that return at once, and a reset vector that halts: what real-mode code and old kernels look for in low memory.
import { PlatformAddress } from '../../../shared/layout/devices.js';
import type { GuestRam } from '../guest-ram.js';
import { BIOS_ROM, EBDA, EBDA_SIZE, KIB } from '../memory-map.js';

const IRET_OFFSET = 0xff53;
const RESET_OFFSET = 0xfff0;
const BDA = 0x400;

export const writeBiosData = (ram: GuestRam): void => {
  ram.fill(0, 0x1000, 0);
  for (let vector = 0; vector < 256; vector++) {
    ram.u16(vector * 4, IRET_OFFSET);
    ram.u16(vector * 4 + 2, BIOS_ROM >>> 4);
  }
  ram.u8(BIOS_ROM + IRET_OFFSET, 0xcf);
  // cli; hlt; jmp back to the hlt
  ram.bytes(BIOS_ROM + RESET_OFFSET, Uint8Array.of(0xfa, 0xf4, 0xeb, 0xfd));
  ram.u16(BDA, PlatformAddress.COM1);
  ram.u16(BDA + 0x0e, EBDA >>> 4);
  // Equipment: 80x25 colour, one serial port.
  ram.u16(BDA + 0x10, 0x0220);
  ram.u16(BDA + 0x13, EBDA / KIB);
  ram.u8(BDA + 0x49, 3);
  ram.u16(BDA + 0x4a, 80);
  ram.u16(BDA + 0x4c, 0x1000);
  ram.u16(BDA + 0x60, 0x0607);
  ram.u16(BDA + 0x63, 0x3d4);
  ram.u8(BDA + 0x84, 24);
  ram.u16(BDA + 0x85, 16);
  ram.fill(EBDA, EBDA_SIZE, 0);
  ram.u8(EBDA, EBDA_SIZE / KIB);
};
