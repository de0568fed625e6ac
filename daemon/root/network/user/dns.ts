// Answers to questions for addresses, as the host finds them (its hosts file too); everything else is the host's resolver's (RFC 1035, 3596). Reading never throws.

const HEADER_BYTES = 12;
const LABEL_MAX = 63;
const NAME_MAX = 255;
export const DnsType = { A: 1, AAAA: 28 } as const;
const CLASS_IN = 1;
export const DnsCode = { OK: 0, FAILED: 2, NO_NAME: 3 } as const;
/** How long the guest may keep an answer, s: the host's own time is not known. */
const TTL_S = 60;
/** Addresses in one answer, so that it fits into 512 bytes with the longest name. */
const ADDRESSES_MAX = 8;

export interface Question {
  readonly name: string;
  readonly type: number;
  /** Header and question as they came. */
  readonly bytes: Uint8Array;
}

/** A query with one question for IPv4 or IPv6 addresses; undefined for any other message. */
export const addressQuestion = (query: Uint8Array): Question | undefined => {
  if (query.length < HEADER_BYTES) return undefined;
  const view = new DataView(query.buffer, query.byteOffset, query.byteLength);
  // A standard query (no answer, opcode 0) with one question.
  if ((view.getUint16(2) & 0xf800) !== 0 || view.getUint16(4) !== 1) return undefined;
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (;;) {
    const length = query[at++];
    if (length === undefined || length > LABEL_MAX || at + length > query.length || at > HEADER_BYTES + NAME_MAX) return undefined;
    if (length === 0) break;
    const label = String.fromCharCode(...query.subarray(at, at + length));
    if (!/^[\w-]+$/.test(label)) return undefined;
    labels.push(label);
    at += length;
  }
  if (labels.length === 0 || at + 4 > query.length || view.getUint16(at + 2) !== CLASS_IN) return undefined;
  const type = view.getUint16(at);
  if (type !== DnsType.A && type !== DnsType.AAAA) return undefined;
  return { name: labels.join('.'), type, bytes: query.slice(0, at + 4) };
};

/** The answer with these addresses: 4 or 16 bytes each. */
export const dnsAnswer = ({ bytes, type }: Question, code: number, addresses: readonly Uint8Array[]): Uint8Array => {
  const records = addresses.slice(0, ADDRESSES_MAX).flatMap((address) => [
    // The name is that of the question.
    ...[0xc0, HEADER_BYTES, 0, type, 0, CLASS_IN, 0, 0, 0, TTL_S, 0, address.length],
    ...address,
  ]);
  const message = new Uint8Array(bytes.length + records.length);
  message.set(bytes);
  message.set(records, bytes.length);
  const view = new DataView(message.buffer);
  // An answer; recursion as it was asked for, and it is there.
  view.setUint16(2, 0x8080 | (view.getUint16(2) & 0x0100) | code);
  view.setUint16(6, Math.min(addresses.length, ADDRESSES_MAX));
  view.setUint32(8, 0);
  return message;
};

/** The bytes of an address that the system has written. */
export const addressBytes = (text: string, family: number): Uint8Array => {
  if (family === 4) return Uint8Array.from(text.split('.'), Number);
  const [head = '', tail] = text.replace(/%.*$/, '').split('::');
  const words = (part: string): number[] =>
    part === ''
      ? []
      : part.split(':').flatMap((word) => {
          if (!word.includes('.')) return [Number.parseInt(word, 16)];
          const [a = 0, b = 0, c = 0, d = 0] = word.split('.').map(Number);
          return [a * 256 + b, c * 256 + d];
        });
  const first = words(head);
  const last = tail === undefined ? [] : words(tail);
  const all = [...first, ...new Array<number>(8 - first.length - last.length).fill(0), ...last];
  return Uint8Array.from(all.flatMap((word) => [word >>> 8, word & 0xff]));
};
