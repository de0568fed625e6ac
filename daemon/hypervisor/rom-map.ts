// The ROM in a partition's guest-physical address space: what is at the frames where there may be ROM instead of RAM, by the PAM registers as they are now.
// Why nothing is kept here: every LP reads the same registers. Whoever has written them flushes the partition afterwards, as for overlays.
import { DeviceMap } from '../../shared/layout/devices.js';
import { Firmware, FRAMES_4G, lowRomPage, PAM_END, PAM_FIRST, PamAccess, pamAccessOf } from '../../shared/layout/firmware.js';
import type { Views } from '../../shared/layout/struct.js';
import type { SharedWords } from '../machine/shared-words.js';

export class RomMap {
  /** 0: the partition has no ROM. */
  readonly pages: number;
  readonly #frame: number;
  readonly #read: (address: number) => number;

  constructor(views: Views, words: Pick<SharedWords, 'read'>) {
    const { romPages, romFrame } = new Firmware(views, DeviceMap.FIRMWARE);
    this.pages = romPages;
    this.#frame = romFrame;
    this.#read = (address) => words.read(address);
  }

  /** Whether it is one of the frames that only `find` knows about. */
  has(gfn: number): boolean {
    return this.pages !== 0 && ((gfn >= PAM_FIRST && gfn < PAM_END) || (gfn >= FRAMES_4G - this.pages && gfn < FRAMES_4G));
  }
  /** Of a frame that it has: the frame in partition memory that is read and executed there; -1: none. */
  find(gfn: number): number {
    if (gfn >= PAM_END) return this.#frame + gfn - (FRAMES_4G - this.pages);
    if ((pamAccessOf(gfn, this.#read) & PamAccess.READ) !== 0) return gfn;
    const page = lowRomPage(gfn, this.pages);
    return page < 0 ? -1 : this.#frame + page;
  }
  /** Of a frame that it has: stores go where reads come from. Otherwise they go to the platform. */
  isWritable(gfn: number): boolean {
    return gfn < PAM_END && pamAccessOf(gfn, this.#read) === (PamAccess.READ | PamAccess.WRITE);
  }
}
