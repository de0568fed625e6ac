// Paints the live parts of the screen: regions that Ink has laid out but leaves blank. Only lines that changed are written; a frame is one write,
// together with what Ink wrote since the last one, so that no half of a screen is ever seen.
// Why beside Ink: Ink measures every cell of every frame, some 50 ms of CPU at 120 x 42; this takes 2 ms.
import type { Screen } from './screen.js';

/** Zero-based cells. */
export interface Place {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}
export interface Region {
  /** Where it is now; undefined while it is not laid out. */
  place(): Place | undefined;
  /** At most `height` lines of exactly `width` columns. */
  lines(width: number, height: number): readonly string[];
  /** It has been clicked on, at a cell of it. */
  readonly press?: ((x: number, y: number, place: Place) => void) | undefined;
}

// DEC private mode 2026, synchronized update: the terminal shows the frame when it is whole.
const BEGIN = '\x1b[?2026h';
const END = '\x1b[?2026l';
// DECSC, DECRC: Ink finds its cursor where it left it.
const SAVE = '\x1b7';
const RESTORE = '\x1b8';

export class Painter {
  readonly #screen: Screen;
  readonly #filter: (text: string) => string;
  /** What stands on the screen, by region, with the place it was painted for. */
  readonly #painted = new Map<Region, { place: Place; lines: string[] }>();
  /** What Ink wrote since the last frame. */
  #under = '';
  #repaintPlanned = false;

  /** `filter`: text with SGR sequences as the terminal can show it. */
  constructor(screen: Screen, filter: (text: string) => string = (text) => text) {
    this.#screen = screen;
    this.#filter = filter;
  }

  add(region: Region): void {
    this.#painted.set(region, { place: { x: 0, y: 0, width: 0, height: 0 }, lines: [] });
  }

  remove(region: Region): void {
    this.#painted.delete(region);
  }

  /** A click on a cell of the screen. */
  press(x: number, y: number): void {
    for (const region of [...this.#painted.keys()]) {
      const place = region.place();
      if (place === undefined || x < place.x || y < place.y || x >= place.x + place.width || y >= place.y + place.height) continue;
      region.press?.(x - place.x, y - place.y, place);
      return;
    }
  }

  /** Ink draws its frame anew, over the regions: `text` goes out with them in the next frame. */
  under(text: string): void {
    this.#under += this.#filter(text).replaceAll(BEGIN, '').replaceAll(END, '');
    this.forget();
  }

  /** Paints everything again, soon. */
  forget(): void {
    for (const painted of this.#painted.values()) painted.lines = [];
    if (this.#repaintPlanned) return;
    this.#repaintPlanned = true;
    setImmediate(() => {
      this.#repaintPlanned = false;
      this.paint();
    });
  }

  paint(): void {
    if (!this.#screen.entered || (this.#screen.congested && this.#under === '')) return;
    let out = '';
    for (const [region, painted] of this.#painted) {
      const place = region.place();
      if (place === undefined || place.width < 1 || place.height < 1) continue;
      if (!samePlace(place, painted.place)) {
        painted.place = place;
        painted.lines = [];
      }
      const lines = region.lines(place.width, place.height);
      const blank = ' '.repeat(place.width);
      for (let i = 0; i < place.height; i++) {
        const line = lines[i] ?? blank;
        if (line === painted.lines[i]) continue;
        painted.lines[i] = line;
        out += `\x1b[${place.y + i + 1};${place.x + 1}H\x1b[0m${this.#filter(line)}`;
      }
    }
    if (out === '' && this.#under === '') return;
    this.#screen.write(`${BEGIN}${this.#under}${SAVE}${out}\x1b[0m${RESTORE}${END}`);
    this.#under = '';
  }
}

const samePlace = (a: Place, b: Place): boolean => a.x === b.x && a.y === b.y && a.width === b.width && a.height === b.height;
