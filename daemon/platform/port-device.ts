// The face of a device on the I/O bus. A device never throws on what a guest asks: ports or widths it does not have read as all ones and ignore writes.

export interface PortDevice {
  /** `now` is partition time in ns. Byte-wide devices are only called with bytes = 1. */
  read(port: number, bytes: number, now: number): number;
  write(port: number, bytes: number, value: number, now: number): void;
}

/** What an access of `bytes` bytes reads where nothing answers. */
export const allOnes = (bytes: number): number => (bytes === 4 ? 0xffff_ffff : bytes === 2 ? 0xffff : 0xff);
