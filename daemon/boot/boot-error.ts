// What is wrong with a partition's description or image, for the person who gave it: one code, one line that names the file or field and the limit.

export const BOOT_ERROR_CODES = [
  'memory-size',
  'vp-count',
  'image-unknown',
  'image-truncated',
  'image-unsupported',
  'image-malformed',
  'segment-outside-ram',
  'entry-outside-image',
  'memory-too-small',
  'initrd-too-large',
  'initrd-unsupported',
  'command-line-too-long',
  'bios-size',
  'bios-loads-nothing',
  'video-bios',
] as const;
export type BootErrorCode = (typeof BOOT_ERROR_CODES)[number];

export class BootError extends Error {
  readonly code: BootErrorCode;
  constructor(code: BootErrorCode, message: string) {
    super(message);
    this.name = 'BootError';
    this.code = code;
  }
}

/** A guest physical address or a size, in messages. */
export const hex = (value: number): string => `0x${value.toString(16)}`;
