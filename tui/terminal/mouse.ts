// The mouse, as terminals report it (xterm, SGR: DEC private mode 1006 with 1000): ESC [ < button ; column ; row M, with m for a button that is let go.

export interface MouseReport {
  readonly kind: 'press' | 'wheel up' | 'wheel down';
  /** Zero-based cell. */
  readonly x: number;
  readonly y: number;
}

export const MOUSE_ON = '\x1b[?1000h\x1b[?1006h';
export const MOUSE_OFF = '\x1b[?1006l\x1b[?1000l';

const REPORT = /^\[<(\d{1,3});(\d{1,5});(\d{1,5})([Mm])$/;
/** Bits of the button number: 4, 8 and 16 are keys that are held, 32 is movement. */
const KEYS = 4 | 8 | 16;
const KINDS: Readonly<Record<number, MouseReport['kind']>> = { 0: 'press', 64: 'wheel up', 65: 'wheel down' };

/** Of an input event of Ink's, which has taken the Escape away. `other`: a report that nobody has a use for. */
export const mouseOf = (input: string): MouseReport | 'other' | undefined => {
  const match = REPORT.exec(input);
  if (match === null) return undefined;
  const kind = KINDS[Number(match[1]) & ~KEYS];
  if (kind === undefined || match[4] === 'm') return 'other';
  return { kind, x: Math.max(0, Number(match[2]) - 1), y: Math.max(0, Number(match[3]) - 1) };
};
