// Packets of GDB's Remote Serial Protocol: `$` body `#` two hex digits of the sum of its bytes; `}` before a byte means that byte with bit 5 flipped.
// Between packets there are `+` and `-` (acknowledgements) and 0x03 (the user wants the machine to stop). GDB manual, appendix E "Overview".
import { HvdError } from '../../../shared/protocol/errors.js';

/** Bytes of a body at most, on the wire; GDB is told. */
export const PACKET_MAX = 0x4000;
const DOLLAR = 0x24;
const HASH = 0x23;
const ESCAPE = 0x7d;
const STAR = 0x2a;
const PLUS = 0x2b;
const MINUS = 0x2d;
const INTERRUPT = 0x03;
const ESCAPE_BIT = 0x20;

export type Incoming = { readonly kind: 'packet'; readonly body: Buffer } | { readonly kind: 'interrupt' | 'refused' | 'again' };

export class PacketReader {
  #body: number[] = [];
  /** Outside a packet, in its body, or at the digits of its sum. */
  #state: 'outside' | 'body' | 'sum' = 'outside';
  #sum = '';

  /** What the bytes complete, in order. Throws gdb.packet-too-long. */
  take(chunk: Uint8Array): Incoming[] {
    const found: Incoming[] = [];
    for (const byte of chunk) {
      if (this.#state === 'outside') {
        if (byte === DOLLAR) this.#begin();
        else if (byte === INTERRUPT) found.push({ kind: 'interrupt' });
        else if (byte === MINUS) found.push({ kind: 'again' });
      } else if (this.#state === 'body') {
        // A packet that was broken off: what comes now is another one.
        if (byte === DOLLAR) this.#begin();
        else if (byte === HASH) this.#state = 'sum';
        else if (this.#body.push(byte) > PACKET_MAX) throw new HvdError('gdb.packet-too-long', { limit: PACKET_MAX });
      } else {
        this.#sum += String.fromCharCode(byte);
        if (this.#sum.length === 2) found.push(this.#end());
      }
    }
    return found;
  }

  #begin(): void {
    this.#state = 'body';
    this.#body = [];
    this.#sum = '';
  }
  #end(): Incoming {
    this.#state = 'outside';
    const sum = this.#body.reduce((total, byte) => (total + byte) & 0xff, 0);
    if (!/^[0-9a-f]{2}$/i.test(this.#sum) || Number.parseInt(this.#sum, 16) !== sum) return { kind: 'refused' };
    return { kind: 'packet', body: unescaped(this.#body) };
  }
}

const unescaped = (bytes: readonly number[]): Buffer => {
  const plain: number[] = [];
  for (let i = 0; i < bytes.length; i++) plain.push(bytes[i] === ESCAPE && i + 1 < bytes.length ? bytes[++i]! ^ ESCAPE_BIT : bytes[i]!);
  return Buffer.from(plain);
};

/** A packet with this body. */
export const packetOf = (body: string | Uint8Array): Buffer => {
  const escaped: number[] = [];
  for (const byte of typeof body === 'string' ? Buffer.from(body, 'latin1') : body) {
    if (byte === DOLLAR || byte === HASH || byte === ESCAPE || byte === STAR) escaped.push(ESCAPE, byte ^ ESCAPE_BIT);
    else escaped.push(byte);
  }
  const sum = escaped.reduce((total, byte) => (total + byte) & 0xff, 0);
  return Buffer.concat([Buffer.of(DOLLAR), Buffer.from(escaped), Buffer.from(`#${sum.toString(16).padStart(2, '0')}`, 'latin1')]);
};

export const ACKNOWLEDGED: Buffer = Buffer.of(PLUS);
export const REFUSED: Buffer = Buffer.of(MINUS);
