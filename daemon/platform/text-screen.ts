// Reads the VGA text screen out of guest memory, for `hvd vm screen`: what a monitor would show, as Unicode lines.
// Any thread may call it without a lock; a screen that changes meanwhile is read half old, half new.
import { DeviceMap, VgaRegisters } from '../../shared/layout/devices.js';
import type { Views } from '../../shared/layout/struct.js';

const TEXT_MEMORY = 0xb8000;
const TEXT_BYTES = 0x8000;
export const SCREEN_COLUMNS = 80;
export const SCREEN_ROWS = 25;
const Crtc = { CURSOR_START: 0x0a, START_HIGH: 0x0c, START_LOW: 0x0d, CURSOR_HIGH: 0x0e, CURSOR_LOW: 0x0f } as const;
const CURSOR_OFF = 0x20;
const GRAPHICS_MISC = 6;
const GRAPHICS_MODE = 0x01;

/** Code page 437; byte 0 shows as a blank. */
const CODE_PAGE_437 =
  ' ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼' +
  ' !"#$%&\'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~⌂' +
  'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀' +
  'αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0';

export interface TextScreen {
  /** 25 lines of 80 characters. */
  readonly lines: readonly string[];
  /** Null while the guest hides it or it is off the screen. */
  readonly cursor: { readonly row: number; readonly column: number } | null;
  /** True when the guest has switched to a graphics mode: the lines are then meaningless. */
  readonly graphics: boolean;
}

/** `ramBase` is the byte address of GPA 0 in `views`. */
export const readTextScreen = (views: Views, ramBase: number): TextScreen => {
  const vga = new VgaRegisters(views, DeviceMap.VGA);
  const crtc = (index: number): number => views.u8[vga.crtc + index];
  const start = (crtc(Crtc.START_HIGH) << 8) | crtc(Crtc.START_LOW);
  const lines: string[] = [];
  for (let row = 0; row < SCREEN_ROWS; row++) {
    let line = '';
    for (let column = 0; column < SCREEN_COLUMNS; column++) {
      const cell = ((start + row * SCREEN_COLUMNS + column) * 2) % TEXT_BYTES;
      line += CODE_PAGE_437[views.u8[ramBase + TEXT_MEMORY + cell]];
    }
    lines.push(line);
  }
  const position = ((crtc(Crtc.CURSOR_HIGH) << 8) | crtc(Crtc.CURSOR_LOW)) - start;
  const visible = (crtc(Crtc.CURSOR_START) & CURSOR_OFF) === 0 && position >= 0 && position < SCREEN_ROWS * SCREEN_COLUMNS;
  return {
    lines,
    cursor: visible ? { row: Math.floor(position / SCREEN_COLUMNS), column: position % SCREEN_COLUMNS } : null,
    graphics: (views.u8[vga.graphics + GRAPHICS_MISC] & GRAPHICS_MODE) !== 0,
  };
};
