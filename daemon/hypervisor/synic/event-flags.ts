// The flags of the event-flag page, which the guest clears while the hypervisor sets them (TLFS 11.9).
// Why one operation: between a look and a store the guest may clear the flag, and nobody would tell it of the new one; or another one, which would be back.
import type { SharedWords } from '../../machine/shared-words.js';

export class EventFlags {
  protected readonly words: SharedWords;

  constructor(words: SharedWords) {
    this.words = words;
  }

  /** Sets a flag. True: it was clear, and its guest is to be told. */
  set(address: number, bit: number): boolean {
    return (this.words.or(address, bit) & bit) === 0;
  }
}
