// The synthetic interrupt controllers of a partition as one LP reaches them: messages into slots, event flags, and the SINT that tells of either (TLFS 11).
// Any LP may post; a VP's controller has a lock, held for a few stores, so that its queues stay in order. Between the holder and the guest there is no lock,
// but the protocol of message-slot.ts.
import { HvStatus } from '../../../shared/abi/hyperv.js';
import { EVENT_FLAGS_BYTES, Message, Sint } from '../../../shared/abi/synic.js';
import type { Views } from '../../../shared/layout/struct.js';
import { ANY_VP, type SintCounter, SynicLayout, sintCountAt, synicAt, timerBuffer } from '../../../shared/layout/synic.js';
import { FutexLock } from '../../machine/futex-lock.js';
import type { SharedWords } from '../../machine/shared-words.js';
import { EventFlags } from './event-flags.js';
import { MessageBuffers, type MessageHeader } from './message-buffers.js';
import { MessageQueue } from './message-queue.js';
import { MessageSlot } from './message-slot.js';
import type { OpenPort, Ports } from './ports.js';

const AT = SynicLayout.at;

export interface SynicHost {
  readonly vpCount: number;
  /** Whether the partition has SINTs that are polled: without it their bit means nothing. */
  readonly polling: boolean;
  /** An edge at the VP's local APIC; `auto`: it ends by itself. Any LP. */
  raise(vp: number, vector: number, auto: boolean): void;
  /** The policy synic.pending=always: readers are told of another message whether there is one or not. */
  alwaysPending(): boolean;
  /** `put` changes bytes at an address in partition memory: there may be code, or somebody who watches. It neither waits nor throws. */
  store(address: number, bytes: number, put: () => void): void;
}

/** The parts, so that tests can put mutants in. */
export const SYNIC_PARTS = { MessageSlot, MessageQueue, EventFlags, FutexLock };
export type SynicParts = typeof SYNIC_PARTS;

export class Synic {
  readonly buffers: MessageBuffers;
  readonly #views: Views;
  readonly #words: SharedWords;
  readonly #ports: Ports;
  readonly #host: SynicHost;
  readonly #queue: MessageQueue;
  readonly #slots: MessageSlot;
  readonly #flags: EventFlags;
  readonly #locks: readonly FutexLock[];
  /** Bits of a SINT that keep it from interrupting. */
  readonly #silent: number;

  constructor(views: Views, words: SharedWords, ports: Ports, host: SynicHost, parts: SynicParts = SYNIC_PARTS) {
    this.#views = views;
    this.#words = words;
    this.#ports = ports;
    this.#host = host;
    this.buffers = new MessageBuffers(views, words);
    this.#queue = new parts.MessageQueue(words);
    this.#slots = new parts.MessageSlot(words);
    this.#flags = new parts.EventFlags(words);
    this.#silent = host.polling ? Sint.MASKED | Sint.POLLING : Sint.MASKED;
    this.#locks = Array.from({ length: host.vpCount }, (_, vp) => new parts.FutexLock(words, synicAt(vp) + AT.lock));
  }

  /** Does something with the VP's controller that no other LP may do meanwhile. */
  locked<T>(vp: number, action: () => T): T {
    const lock = this.#locks[vp];
    lock.lock();
    try {
      return action();
    } finally {
      lock.unlock();
    }
  }

  // --- messages -----------------------------------------------------------------------------------------------------------------------------

  /** A message comes in by a port: into its slot, or behind those that wait for it (TLFS 11.10.5). */
  post(port: OpenPort, type: number, payload: Uint8Array): HvStatus {
    const vp = this.#target(port.vp, AT.messagePage);
    if (vp < 0) return this.#ports.refuse(port, HvStatus.INVALID_SYNIC_STATE);
    const buffer = this.buffers.take(port.index);
    if (buffer < 0) return this.#ports.refuse(port, HvStatus.INSUFFICIENT_BUFFERS);
    this.buffers.fill(buffer, { type, size: payload.length, origin: port.id }, payload);
    const status = this.locked(vp, () => {
      if (!this.#ports.isStill(port)) return HvStatus.INVALID_PORT_ID;
      if (!this.takes(vp, AT.messagePage)) return HvStatus.INVALID_SYNIC_STATE;
      this.#queue.append(vp, port.sint, buffer);
      this.#deliver(vp, port.sint);
      return HvStatus.SUCCESS;
    });
    if (status === HvStatus.SUCCESS) this.#ports.accept(port);
    else {
      this.buffers.release(buffer);
      this.#ports.refuse(port, status);
    }
    return status;
  }

  /** A message of a timer, which has one buffer. False: its last message has not come to the slot yet. */
  postTimer(vp: number, timer: number, sint: number, header: MessageHeader, payload: Uint8Array): boolean {
    const buffer = timerBuffer(vp, timer);
    return this.locked(vp, () => {
      if (this.buffers.isQueued(buffer)) return false;
      this.buffers.fill(buffer, header, payload);
      this.#queue.append(vp, sint, buffer);
      this.#deliver(vp, sint);
      return true;
    });
  }
  /** What the timer has to say and did not come to say is dropped. */
  withdrawTimer(vp: number, timer: number, sint: number): void {
    this.locked(vp, () => this.#queue.remove(vp, sint, timerBuffer(vp, timer)));
  }

  /** The VP has written EOM: slots that it has emptied are filled again. */
  endOfMessage(vp: number): void {
    const words = this.#words;
    words.write(synicAt(vp) + AT.eoms, words.read(synicAt(vp) + AT.eoms) + 1);
    this.rescan(vp);
  }

  /** The VP has ended an interrupt: where a SINT has the vector and messages wait, its slot may be free. */
  endOfInterrupt(vp: number, vector: number): void {
    if (this.#words.load(synicAt(vp) + AT.waiting) === 0) return;
    this.#fill(vp, (sint) => (this.#sint(vp, sint) & Sint.VECTOR) === vector);
  }

  /** All SINTs that messages wait for, whatever has changed: the slot, the page, the SINT. */
  rescan(vp: number): void {
    if (this.#words.load(synicAt(vp) + AT.waiting) !== 0) this.#fill(vp, () => true);
  }

  /** The port is closed already, so that nothing new comes: what it has sent and nobody has seen is dropped. */
  drop(port: number): void {
    for (let vp = 0; vp < this.#host.vpCount; vp++) {
      this.locked(vp, () => this.#queue.removePort(vp, port, (buffer) => this.buffers.release(buffer)));
    }
  }

  // --- event flags --------------------------------------------------------------------------------------------------------------------------

  /** Sets an event flag of a port; a flag that was clear raises the SINT (TLFS 11.10.4, 11.11). */
  signal(port: OpenPort, flag: number): HvStatus {
    const vp = this.#target(port.vp, AT.eventPage);
    if (vp < 0) return this.#ports.refuse(port, HvStatus.INVALID_SYNIC_STATE);
    const status = this.locked(vp, () => {
      if (!this.#ports.isStill(port)) return HvStatus.INVALID_PORT_ID;
      if (!this.takes(vp, AT.eventPage) || (this.#sint(vp, port.sint) & Sint.MASKED) !== 0) return HvStatus.INVALID_SYNIC_STATE;
      this.#setFlag(vp, port.sint, port.firstFlag + flag);
      return HvStatus.SUCCESS;
    });
    return status === HvStatus.SUCCESS ? this.#ports.accept(port) : this.#ports.refuse(port, status);
  }

  /** Under the lock. */
  #setFlag(vp: number, sint: number, flag: number): void {
    const at = this.#words.read(synicAt(vp) + AT.eventPage) + sint * EVENT_FLAGS_BYTES + (flag >>> 5) * 4;
    this.tell(vp, sint, () => {
      let isNew = false;
      this.#host.store(at, 4, () => {
        isNew = this.#flags.set(at, 1 << (flag & 31));
      });
      if (isNew) this.#count(vp, 'events', sint);
      return isNew;
    });
  }

  // --- the SINT -----------------------------------------------------------------------------------------------------------------------------

  /** Under the lock: what an interrupt tells of is there before it, or its handler finds nothing. `put` says whether there is something to tell of. */
  protected tell(vp: number, sint: number, put: () => boolean): void {
    if (put()) this.raise(vp, sint);
  }

  /** The SINT with nothing to tell of. */
  raiseSint(vp: number, sint: number): void {
    this.locked(vp, () => this.raise(vp, sint));
  }

  /** Masked: nobody is told. Polling: the guest looks by itself. */
  protected raise(vp: number, sint: number): void {
    const register = this.#sint(vp, sint);
    if ((register & this.#silent) !== 0) return;
    this.#count(vp, 'interrupts', sint);
    this.#host.raise(vp, register & Sint.VECTOR, (register & Sint.AUTO_EOI) !== 0);
  }

  /** Under the lock: the message that is next for the SINT goes into its slot, if that is free. */
  #deliver(vp: number, sint: number): void {
    const slots = this.#slots;
    const buffer = this.#queue.first(vp, sint);
    if (buffer < 0 || !this.takes(vp, AT.messagePage)) return;
    const slot = this.#words.read(synicAt(vp) + AT.messagePage) + sint * Message.BYTES;
    if (!slots.isEmpty(slot)) {
      let emptied = false;
      this.#host.store(slot + Message.SIZE, 4, () => {
        emptied = slots.markPending(slot);
      });
      if (!slots.wasTold) this.#count(vp, 'pendings', sint);
      if (!emptied) return;
    }
    this.#queue.removeFirst(vp, sint);
    const pending = this.#queue.first(vp, sint) >= 0 || this.#host.alwaysPending();
    this.tell(vp, sint, () => {
      this.#host.store(slot, Message.BYTES, () => slots.put(slot, buffer, pending));
      return true;
    });
    this.buffers.release(buffer);
    this.#count(vp, 'messages', sint);
    if (pending) this.#count(vp, 'pendings', sint);
  }

  #fill(vp: number, wanted: (sint: number) => boolean): void {
    this.locked(vp, () => {
      for (let waiting = this.#words.load(synicAt(vp) + AT.waiting); waiting !== 0; waiting &= waiting - 1) {
        const sint = 31 - Math.clz32(waiting & -waiting);
        if (wanted(sint)) this.#deliver(vp, sint);
      }
    });
  }

  /** The VP that a port delivers to, -1: none takes messages (events). */
  #target(vp: number, page: number): number {
    if (vp !== ANY_VP) return vp < this.#host.vpCount && this.takes(vp, page) ? vp : -1;
    for (let index = 0; index < this.#host.vpCount; index++) if (this.takes(index, page)) return index;
    return -1;
  }

  /** Whether the VP takes messages (events) now. What is said outside the lock may be otherwise within it. */
  protected takes(vp: number, page: number): boolean {
    const at = synicAt(vp);
    return this.#words.load(at + AT.enabled) !== 0 && this.#words.load(at + page) !== 0;
  }

  #sint(vp: number, sint: number): number {
    return this.#words.load(synicAt(vp) + AT.sints + sint * 8);
  }

  #count(vp: number, counter: SintCounter, sint: number): void {
    this.#views.u32[sintCountAt(vp, counter, sint) >>> 2]++;
  }
}
