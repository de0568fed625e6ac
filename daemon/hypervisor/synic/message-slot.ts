// A slot of the message page, which the guest reads and empties while the hypervisor looks (TLFS 11.8, US20080141277A1).
//
//   guest: copy; type := 0; look at flags.pending: set → write EOM
//   here:  a message must wait: flags.pending := 1; is type 0 by now → the guest may have looked before: deliver at once
//
// Whatever the guest does to the page harms only its own messages: nothing is read from it but whether the type is 0.
import { MESSAGE_PENDING_WORD, Message, MessageType } from '../../../shared/abi/synic.js';
import { bufferAt } from '../../../shared/layout/synic.js';
import type { SharedWords } from '../../machine/shared-words.js';

export class MessageSlot {
  protected readonly words: SharedWords;
  /** After `markPending`: the reader had been told of another message before. */
  wasTold = false;

  constructor(words: SharedWords) {
    this.words = words;
  }

  isEmpty(slot: number): boolean {
    return this.words.load(slot + Message.TYPE) === MessageType.NONE;
  }

  /** Another message waits for a slot that was found full. True: it is empty by now, and nobody is obliged to say so. */
  markPending(slot: number): boolean {
    this.wasTold = (this.words.or(slot + Message.SIZE, MESSAGE_PENDING_WORD) & MESSAGE_PENDING_WORD) !== 0;
    return this.isEmpty(slot);
  }

  /** The type last: who sees it sees the message. */
  put(slot: number, buffer: number, pending: boolean): void {
    const { words } = this;
    const from = bufferAt(buffer);
    const size = words.i32[(from + Message.SIZE) >>> 2];
    for (let offset = 0; offset < size; offset += 4)
      words.write(slot + Message.PAYLOAD + offset, words.i32[(from + Message.PAYLOAD + offset) >>> 2]);
    words.write(slot + Message.SIZE, pending ? size | MESSAGE_PENDING_WORD : size);
    words.write(slot + Message.ORIGIN, words.i32[(from + Message.ORIGIN) >>> 2]);
    words.write(slot + Message.ORIGIN + 4, 0);
    words.store(slot + Message.TYPE, words.i32[(from + Message.TYPE) >>> 2]);
  }
}
