// One end of a TCP connection with a guest, which a socket of the host has the other end of (RFC 9293). In-order only: what comes ahead of its turn is asked for again.
// The guest is not to be trusted: nothing it sends throws, and what waits for it or for the host is bounded.
import { assert } from '../../../../shared/kit/assert.js';
import { IP_BYTES, MTU, TCP_BYTES, type Tcp, TcpFlag } from './packets.js';

/** Bytes that wait for the host before the guest's window is shut: the longest window without scaling. */
export const RECEIVE_MAX = 65535;
/** Bytes that wait for the guest before the host is asked to wait. */
export const SEND_MAX = 65536;
export const MSS = MTU - IP_BYTES - TCP_BYTES;
/** What a guest that names none can take, and the least that one may name (RFC 9293, 3.7.1; RFC 879). */
const MSS_DEFAULT = 536;
const MSS_MIN = 64;
/** Before something is sent again, ms: doubled each time, and given up after so many. */
export const RETRY_MS = 1000;
const RETRY_MAX_MS = 30_000;
export const RETRIES_MAX = 12;
/** Doublings while a guest's window is shut and it answers. */
const RETRIES_SHUT = 5;

export type TcpPhase = 'connecting' | 'syn-sent' | 'syn-received' | 'open' | 'closed';

/** The way to the guest. */
export interface TcpLink {
  /** Ports and addresses are the link's to add. */
  send(segment: Omit<Tcp, 'sourcePort' | 'targetPort'>): void;
  /** Frames with data may be sent now; whoever has more is asked again by `flush`. */
  hasRoom(): boolean;
  /** All that was sent is the guest's by now: what it does not answer it will not. */
  isIdle(): boolean;
}
/** The socket of the host. */
export interface TcpPeer {
  write(bytes: Uint8Array): void;
  /** The guest sends no more. */
  end(): void;
  destroy(): void;
  /** Bytes that the host has not taken yet. */
  readonly buffered: number;
  pause(): void;
  resume(): void;
}

const before = (a: number, b: number): boolean => ((a - b) | 0) < 0;
const NONE = new Uint8Array();

export class TcpEndpoint {
  phase: TcpPhase;
  readonly #link: TcpLink;
  readonly #peer: TcpPeer;
  /** Sequence numbers, modulo 2^32: first unacknowledged, next to send, of the FIN once it has one. */
  #first: number;
  #next: number;
  #fin: number | undefined;
  /** What the guest lets be sent beyond `#first`, and the segment that said so. */
  #window = 0;
  #windowSequence = 0;
  #windowAcknowledgement = 0;
  #mss = MSS_DEFAULT;
  /** From `#first` on. */
  #queue: Uint8Array[] = [];
  #queued = 0;
  #isPaused = false;
  #hostEnded = false;
  #isAcknowledged = false;
  /** Next expected of the guest; what it was told that it may send. */
  #expected = 0;
  #offered = 0;
  #guestEnded = false;
  #retries = 0;
  #deadline = Number.POSITIVE_INFINITY;
  /** Up to here what was lost is sent again as acknowledgements come. */
  #recoverTo: number | undefined;

  /** `syn`: the guest's; absent: this end opens. */
  constructor(link: TcpLink, peer: TcpPeer, sequence: number, syn?: Tcp) {
    this.#link = link;
    this.#peer = peer;
    this.#first = sequence >>> 0;
    this.#next = this.#first;
    this.phase = syn === undefined ? 'syn-sent' : 'connecting';
    if (syn === undefined) {
      this.#sendSyn();
      return;
    }
    this.#takeSyn(syn);
  }

  get isClosed(): boolean {
    return this.phase === 'closed';
  }
  /** When `tick` is to be called, ms. */
  get deadline(): number {
    return this.#deadline;
  }

  // --- from the host

  connected(now: number): void {
    if (this.phase !== 'connecting') return;
    this.phase = 'syn-received';
    this.#sendSyn();
    this.#arm(now);
  }
  fromHost(bytes: Uint8Array, now: number): void {
    if (this.isClosed || this.#hostEnded) return;
    this.#queue.push(bytes);
    this.#queued += bytes.length;
    if (this.#queued >= SEND_MAX && !this.#isPaused) {
      this.#isPaused = true;
      this.#peer.pause();
    }
    this.flush(now);
  }
  hostEnded(now: number): void {
    this.#hostEnded = true;
    this.flush(now);
  }
  /** The host has taken what waited for it. */
  hostDrained(): void {
    if (this.phase === 'open' && this.#offered < MSS && this.#room >= MSS) this.#acknowledge();
  }
  /** The host's end is gone: the guest is told so. */
  abort(): void {
    if (this.isClosed) return;
    // A guest whose SYN has had no answer is refused: its sequence number is the one that is acknowledged.
    const sequence = this.phase === 'connecting' ? 0 : this.#next;
    this.#link.send({ sequence, acknowledgement: this.#expected, flags: TcpFlag.RST | TcpFlag.ACK, window: 0, payload: NONE });
    this.#close();
  }

  // --- from the guest

  receive(segment: Tcp, now: number): void {
    switch (this.phase) {
      case 'connecting':
        // It has heard nothing yet that it could answer; it may only have changed its mind.
        if ((segment.flags & TcpFlag.RST) !== 0 && segment.sequence === this.#expected) this.#close();
        return;
      case 'syn-sent':
        this.#receiveSynAck(segment, now);
        return;
      case 'syn-received':
      case 'open':
        this.#receiveOpen(segment, now);
        return;
      default:
    }
  }

  #receiveSynAck(segment: Tcp, now: number): void {
    const { flags, acknowledgement, sequence } = segment;
    const isMine = (flags & TcpFlag.ACK) !== 0 && acknowledgement === this.#next;
    if ((flags & TcpFlag.RST) !== 0) {
      if (isMine) this.#close();
      return;
    }
    if ((flags & TcpFlag.ACK) !== 0 && !isMine) {
      this.#link.send({ sequence: acknowledgement, acknowledgement: 0, flags: TcpFlag.RST, window: 0, payload: NONE });
      return;
    }
    if ((flags & TcpFlag.SYN) === 0 || !isMine) return;
    this.#takeSyn(segment);
    this.#open(segment, now);
    this.#windowSequence = sequence;
    if (!this.flush(now)) this.#acknowledge();
  }

  #receiveOpen(segment: Tcp, now: number): void {
    const { flags, sequence, acknowledgement, payload } = segment;
    if ((flags & TcpFlag.RST) !== 0) {
      // Only where it is expected: elsewhere it may be an old one, or a guess (RFC 5961, 3.2).
      if (sequence === this.#expected) this.#close();
      else if (!before(sequence, this.#expected) && before(sequence, this.#expected + RECEIVE_MAX)) this.#acknowledge();
      return;
    }
    if ((flags & TcpFlag.SYN) !== 0) {
      if (this.phase === 'syn-received' && ((sequence + 1) | 0) === (this.#expected | 0)) this.#sendSyn();
      else this.#acknowledge();
      return;
    }
    if ((flags & TcpFlag.ACK) === 0) return;
    if (before(this.#next, acknowledgement)) {
      if (this.phase === 'open') this.#acknowledge();
      else this.#link.send({ sequence: acknowledgement, acknowledgement: 0, flags: TcpFlag.RST, window: 0, payload: NONE });
      return;
    }
    if (this.phase === 'syn-received') {
      if (acknowledgement !== this.#next) return;
      this.#open(segment, now);
    } else this.#takeAcknowledgement(segment, now);
    if (this.isClosed) return;
    const isEnd = (flags & TcpFlag.FIN) !== 0;
    const needsAnswer = payload.length > 0 || isEnd || sequence !== this.#expected;
    if (payload.length > 0 || isEnd) this.#takeData(segment, isEnd);
    const hasSent = this.flush(now);
    if (needsAnswer && !hasSent) this.#acknowledge();
    this.#closeIfDone();
  }

  #takeSyn({ sequence, mss = MSS_DEFAULT }: Tcp): void {
    this.#expected = (sequence + 1) >>> 0;
    this.#windowSequence = sequence;
    this.#mss = Math.max(MSS_MIN, Math.min(mss, MSS));
  }
  /** Its SYN has been acknowledged. */
  #open({ acknowledgement, window, sequence }: Tcp, now: number): void {
    this.phase = 'open';
    this.#first = acknowledgement;
    this.#window = window;
    this.#windowSequence = sequence;
    this.#windowAcknowledgement = acknowledgement;
    this.#isAcknowledged = false;
    this.#settle(now);
    this.#peer.resume();
  }

  #takeAcknowledgement({ acknowledgement, window, sequence }: Tcp, now: number): void {
    if (before(acknowledgement, this.#first)) return;
    const wasShut = this.#window === 0;
    if (
      before(this.#windowSequence, sequence) ||
      (this.#windowSequence === sequence && !before(acknowledgement, this.#windowAcknowledgement))
    ) {
      this.#window = window;
      this.#windowSequence = sequence;
      this.#windowAcknowledgement = acknowledgement;
    }
    if (acknowledgement === this.#first) {
      // A guest that answers lives, however long its window stays shut.
      if (this.#window === 0) this.#retries = Math.min(this.#retries, RETRIES_SHUT);
      else if (wasShut && this.#next !== this.#first) {
        // What asked after the window has found none, and was thrown away.
        this.#recoverTo = this.#next;
        this.#sendAgain();
      }
      return;
    }
    let bytes = (acknowledgement - this.#first) >>> 0;
    this.#first = acknowledgement;
    if (this.#fin !== undefined && acknowledgement === (this.#fin + 1) >>> 0) {
      this.#isAcknowledged = true;
      bytes--;
    }
    this.#drop(bytes);
    this.#settle(now);
    if (this.#recoverTo === undefined) return;
    if (before(this.#first, this.#recoverTo)) this.#sendAgain();
    else this.#recoverTo = undefined;
  }
  /** Something has got through: what is still under way has its time anew. */
  #settle(now: number): void {
    this.#retries = 0;
    this.#deadline = Number.POSITIVE_INFINITY;
    if (this.#next !== this.#first) this.#arm(now);
  }
  #drop(bytes: number): void {
    this.#queued -= bytes;
    assert(this.#queued >= 0, 'a guest acknowledged more than was sent');
    for (let left = bytes; left > 0; ) {
      const head = this.#queue[0]!;
      if (head.length > left) {
        this.#queue[0] = head.subarray(left);
        break;
      }
      left -= head.length;
      this.#queue.shift();
    }
    if (this.#isPaused && this.#queued < SEND_MAX / 2) {
      this.#isPaused = false;
      this.#peer.resume();
    }
  }

  #takeData({ sequence, payload }: Tcp, isEnd: boolean): void {
    const offset = (this.#expected - sequence) | 0;
    // Ahead of its turn, or all of it has been here.
    if (offset < 0 || offset > payload.length || this.#guestEnded) return;
    const fresh = payload.subarray(offset);
    const taken = fresh.subarray(0, Math.max(0, this.#room));
    if (taken.length > 0) {
      this.#expected = (this.#expected + taken.length) >>> 0;
      this.#peer.write(taken.slice());
    }
    if (!isEnd || taken.length < fresh.length) return;
    this.#expected = (this.#expected + 1) >>> 0;
    this.#guestEnded = true;
    this.#peer.end();
  }

  // --- to the guest

  /** Sends what may be sent; whether anything was. */
  flush(now: number): boolean {
    if (this.phase !== 'open' || this.#fin !== undefined) return false;
    let hasSent = false;
    while (this.#link.hasRoom()) {
      const sent = (this.#next - this.#first) >>> 0;
      const unsent = this.#queued - sent;
      if (unsent === 0) {
        if (this.#hostEnded) {
          this.#sendFin();
          hasSent = true;
        }
        break;
      }
      const bytes = Math.min(this.#mss, unsent, this.#window - sent);
      // A small piece waits for more room in the window, unless nothing else will come of it (RFC 9293, 3.8.6.2.1).
      if (bytes <= 0 || (bytes < this.#mss && bytes < unsent && sent > 0)) break;
      this.#sendData(sent, bytes);
      hasSent = true;
    }
    // Sent, or a window that is shut: it may be asked after.
    if ((this.#next !== this.#first || this.#queued > 0) && this.#deadline === Number.POSITIVE_INFINITY) this.#arm(now);
    return hasSent;
  }

  /** Its deadline is over. */
  tick(now: number): void {
    if (now < this.#deadline || this.isClosed) return;
    if (!this.#link.isIdle()) {
      this.#deadline = now + RETRY_MS;
      return;
    }
    if (++this.#retries > RETRIES_MAX) {
      this.abort();
      return;
    }
    this.#arm(now);
    if (this.phase === 'syn-sent' || this.phase === 'syn-received') this.#sendSyn();
    else if (this.#next === this.#first) {
      if (this.#queued > 0 && this.#window === 0) this.#sendData(0, 1);
      else this.flush(now);
    } else {
      this.#recoverTo = this.#next;
      this.#sendAgain();
    }
  }
  #arm(now: number): void {
    this.#deadline = now + Math.min(RETRY_MS * 2 ** this.#retries, RETRY_MAX_MS);
  }

  #sendAgain(): void {
    const sent = (this.#next - this.#first) >>> 0;
    const data = Math.min(sent, this.#queued);
    if (data > 0) this.#sendData(0, Math.min(this.#mss, data, Math.max(1, this.#window)));
    else if (this.#fin !== undefined) this.#sendFin();
  }
  #sendSyn(): void {
    const isAnswer = this.phase === 'syn-received';
    this.#next = (this.#first + 1) >>> 0;
    if (isAnswer) this.#offered = RECEIVE_MAX;
    this.#link.send({
      sequence: this.#first,
      acknowledgement: isAnswer ? this.#expected : 0,
      flags: isAnswer ? TcpFlag.SYN | TcpFlag.ACK : TcpFlag.SYN,
      window: RECEIVE_MAX,
      mss: MSS,
      payload: NONE,
    });
    if (!isAnswer && this.#deadline === Number.POSITIVE_INFINITY) this.#deadline = 0;
  }
  #sendData(from: number, bytes: number): void {
    const sequence = (this.#first + from) >>> 0;
    this.#send(sequence, TcpFlag.ACK | TcpFlag.PSH, this.#bytesAt(from, bytes));
    const end = (sequence + bytes) >>> 0;
    if (before(this.#next, end)) this.#next = end;
  }
  #bytesAt(from: number, count: number): Uint8Array {
    const bytes = new Uint8Array(count);
    let skip = from;
    let at = 0;
    for (const chunk of this.#queue) {
      if (at === count) break;
      if (skip >= chunk.length) {
        skip -= chunk.length;
        continue;
      }
      const part = chunk.subarray(skip, skip + count - at);
      bytes.set(part, at);
      at += part.length;
      skip = 0;
    }
    return bytes;
  }
  #sendFin(): void {
    this.#fin ??= this.#next;
    this.#next = (this.#fin + 1) >>> 0;
    this.#send(this.#fin, TcpFlag.FIN | TcpFlag.ACK, NONE);
  }
  #acknowledge(): void {
    this.#send(this.#next, TcpFlag.ACK, NONE);
  }
  #send(sequence: number, flags: number, payload: Uint8Array): void {
    this.#offered = Math.max(0, this.#room);
    this.#link.send({ sequence, acknowledgement: this.#expected, flags, window: this.#offered, payload });
  }
  get #room(): number {
    return RECEIVE_MAX - this.#peer.buffered;
  }

  #closeIfDone(): void {
    // The last acknowledgement of the guest's FIN is not waited for: should it be lost, the guest's next FIN is answered by a reset, which ends it as well.
    if (this.#isAcknowledged && this.#guestEnded) this.phase = 'closed';
  }
  #close(): void {
    this.phase = 'closed';
    this.#deadline = Number.POSITIVE_INFINITY;
    this.#queue = [];
    this.#queued = 0;
    this.#peer.destroy();
  }
}
