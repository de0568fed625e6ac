// Names of addresses in a guest: from the symbol table of an ELF file (System V ABI, "Symbol Table"), or from text as in Linux's System.map: `address type name`.
// Why tolerant: symbols are for people. A table that makes no sense gives no names, never an error.
import { isElf } from './elf.js';

interface GuestSymbol {
  readonly address: number;
  /** 0 = not known: up to the next one. */
  readonly size: number;
  readonly name: string;
}

const SHT_SYMTAB = 2;
const STT_OBJECT = 1;
/** Sections, files and what comes after name no code. */
const STT_SECTION = 3;
/** Symbols that are read at most. */
const SYMBOLS_MAX = 1_000_000;

export class GuestSymbols {
  readonly #sorted: readonly GuestSymbol[];
  readonly #byName: ReadonlyMap<string, number>;

  constructor(symbols: readonly GuestSymbol[]) {
    // Of several at one address the first by name, so that the choice does not depend on the file's order.
    this.#sorted = [...symbols].sort((a, b) => a.address - b.address || b.size - a.size || (a.name < b.name ? -1 : 1));
    this.#byName = new Map(symbols.map((s) => [s.name, s.address]));
  }

  get count(): number {
    return this.#sorted.length;
  }

  addressOf(name: string): number | undefined {
    return this.#byName.get(name);
  }

  /** The symbol that the address lies in, and how far; undefined when there is none. */
  find(address: number): { readonly name: string; readonly offset: number } | undefined {
    const sorted = this.#sorted;
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (sorted[middle]!.address <= address) low = middle + 1;
      else high = middle;
    }
    if (low === 0) return undefined;
    let at = low - 1;
    while (at > 0 && sorted[at - 1]!.address === sorted[at]!.address) at--;
    const { name, address: start, size } = sorted[at]!;
    if (size > 0 && address >= start + size) return undefined;
    return { name, offset: address - start };
  }
}

/** Symbols of the bytes, whichever kind they are. */
export const readSymbols = (bytes: Uint8Array): GuestSymbols => new GuestSymbols(isElf(bytes) ? elfSymbols(bytes) : mapSymbols(bytes));

const mapSymbols = (bytes: Uint8Array): GuestSymbol[] => {
  const found: GuestSymbol[] = [];
  for (const [, address, type, name] of new TextDecoder().decode(bytes).matchAll(/^([0-9a-f]{1,16}) (\S) (\S+)/gim)) {
    if (found.length >= SYMBOLS_MAX) break;
    if (/[tw]/i.test(type!)) found.push({ address: Number(BigInt.asIntN(64, BigInt(`0x${address}`))), size: 0, name: name! });
  }
  return found;
};

const elfSymbols = (bytes: Uint8Array): GuestSymbol[] => {
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    return bytes[4] === 1 ? symbols32(data) : symbols64(data);
  } catch (error) {
    // Cut off, or not what it says it is.
    if (error instanceof RangeError) return [];
    throw error;
  }
};

const symbols32 = (data: DataView): GuestSymbol[] => {
  const at = data.getUint32(32, true);
  const size = data.getUint16(46, true);
  const word = (section: number, field: number): number => data.getUint32(at + section * size + field, true);
  return tableOf(data.getUint16(48, true), (section) => {
    if (word(section, 4) !== SHT_SYMTAB) return undefined;
    const strings = word(word(section, 24), 16);
    return entries(word(section, 16), word(section, 20), 16, (entry) =>
      symbolOf(
        data,
        strings + data.getUint32(entry, true),
        data.getUint32(entry + 4, true),
        data.getUint32(entry + 8, true),
        data.getUint8(entry + 12),
        data.getUint16(entry + 14, true),
      ),
    );
  });
};

const symbols64 = (data: DataView): GuestSymbol[] => {
  const number = (offset: number): number => Number(data.getBigInt64(offset, true));
  const at = number(40);
  const size = data.getUint16(58, true);
  const header = (section: number): number => at + section * size;
  return tableOf(data.getUint16(60, true), (section) => {
    if (data.getUint32(header(section) + 4, true) !== SHT_SYMTAB) return undefined;
    const strings = number(header(data.getUint32(header(section) + 40, true)) + 24);
    return entries(number(header(section) + 24), number(header(section) + 32), 24, (entry) =>
      symbolOf(
        data,
        strings + data.getUint32(entry, true),
        number(entry + 8),
        number(entry + 16),
        data.getUint8(entry + 4),
        data.getUint16(entry + 6, true),
      ),
    );
  });
};

/** What the first section gives that is a symbol table. */
const tableOf = (sections: number, read: (section: number) => GuestSymbol[] | undefined): GuestSymbol[] => {
  for (let section = 0; section < sections; section++) {
    const found = read(section);
    if (found !== undefined) return found;
  }
  return [];
};

const entries = (from: number, bytes: number, size: number, read: (entry: number) => GuestSymbol | undefined): GuestSymbol[] => {
  const found: GuestSymbol[] = [];
  for (let entry = from; entry + size <= from + bytes && found.length < SYMBOLS_MAX; entry += size) {
    const symbol = read(entry);
    if (symbol !== undefined) found.push(symbol);
  }
  return found;
};

/** Code symbols with a name that lie in a section: functions, and labels of assembly. */
const symbolOf = (
  data: DataView,
  nameAt: number,
  address: number,
  size: number,
  info: number,
  section: number,
): GuestSymbol | undefined => {
  const type = info & 15;
  if (type === STT_OBJECT || type >= STT_SECTION || section === 0 || section >= 0xff00) return undefined;
  let name = '';
  for (let i = nameAt; data.getUint8(i) !== 0 && name.length < 256; i++) name += String.fromCharCode(data.getUint8(i));
  return name === '' ? undefined : { address, size, name };
};
