// A model of SDM 3A chapter 4 written for clarity, in BigInt, with nothing shared with the vTLB: the oracle of property, stress and interleaving tests.

export interface Registers {
  mode: 'none' | 'legacy' | 'pae' | 'long';
  cr3: bigint;
  pdpte: readonly bigint[];
  pse: boolean;
  wp: boolean;
  smep: boolean;
  smap: boolean;
  nxe: boolean;
  /** EFLAGS.AC. */
  ac: boolean;
}
export interface Wanted {
  write: boolean;
  user: boolean;
  fetch: boolean;
  /** Made by the processor itself (descriptor tables). */
  implicit: boolean;
}
/** An entry that the access sets A (and D) in. */
export interface Marked {
  readonly address: number;
  readonly bytes: 4 | 8;
  readonly value: bigint;
}
/** `size`: bytes of the page. */
export type Outcome = { readonly error: number } | { readonly gpa: bigint; readonly size: number; readonly marked: readonly Marked[] };

export interface PhysicalMemory {
  /** Beyond RAM: all ones. */
  read(address: bigint, bytes: 4 | 8): bigint;
}

const PHYSICAL_BITS = 40n;
const bit = (value: bigint, n: number): boolean => ((value >> BigInt(n)) & 1n) === 1n;
const field = (value: bigint, high: number, low: number): bigint => (value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);

export const translate = (memory: PhysicalMemory, r: Registers, gva: number, w: Wanted): Outcome => {
  const va = BigInt.asUintN(64, BigInt(gva));
  const code = (present: boolean, reserved: boolean): number =>
    (present ? 1 : 0) +
    (w.write ? 2 : 0) +
    (w.user ? 4 : 0) +
    (reserved ? 8 : 0) +
    (w.fetch && (r.smep || (r.nxe && r.mode !== 'legacy')) ? 16 : 0);
  if (r.mode === 'none') return { gpa: va & 0xffff_ffffn, size: 4096, marked: [] };

  const bytes = r.mode === 'legacy' ? 4 : 8;
  const path: { address: bigint; entry: bigint }[] = [];
  let table: bigint;
  let level: number;
  if (r.mode === 'legacy') [table, level] = [field(r.cr3, 31, 12) << 12n, 2];
  else if (r.mode === 'pae') {
    const pdpte = r.pdpte[Number(field(va, 31, 30))];
    if (!bit(pdpte, 0)) return { error: code(false, false) };
    [table, level] = [field(pdpte, Number(PHYSICAL_BITS) - 1, 12) << 12n, 2];
  } else [table, level] = [field(r.cr3, Number(PHYSICAL_BITS) - 1, 12) << 12n, 4];

  let [writable, userPage, executable] = [true, true, true];
  let gpa: bigint;
  let size: number;
  for (;;) {
    const indexBits = bytes === 4 ? 10 : 9;
    const low = 12 + indexBits * (level - 1);
    const address = table + field(va, low + indexBits - 1, low) * BigInt(bytes);
    const entry = memory.read(address, bytes);
    if (!bit(entry, 0)) return { error: code(false, false) };
    if (bytes === 8) {
      if (!r.nxe && bit(entry, 63)) return { error: code(true, true) };
      const top = r.mode === 'pae' ? 62 : 51;
      if (field(entry, top, Number(PHYSICAL_BITS)) !== 0n) return { error: code(true, true) };
    }
    path.push({ address, entry });
    writable &&= bit(entry, 1);
    userPage &&= bit(entry, 2);
    if (bytes === 8 && bit(entry, 63)) executable = false;
    const frame = field(entry, bytes === 4 ? 31 : Number(PHYSICAL_BITS) - 1, 12) << 12n;
    const large = level > 1 && bit(entry, 7) && (bytes === 8 || r.pse);
    if (large && level === 4) return { error: code(true, true) };
    if (level === 1 || large) {
      // Bits between PAT (12) and the page's own frame are reserved.
      if (large && field(entry, low - 1, 13) !== 0n) return { error: code(true, true) };
      gpa = ((frame >> BigInt(low)) << BigInt(low)) | field(va, low - 1, 0);
      size = 2 ** low;
      break;
    }
    table = frame;
    level--;
  }

  const allowed = ((): boolean => {
    if (w.fetch && !executable) return false;
    if (w.user) return userPage && (!w.write || writable);
    if (w.write && !writable && r.wp) return false;
    if (userPage && w.fetch && r.smep) return false;
    if (userPage && !w.fetch && r.smap && (w.implicit || !r.ac)) return false;
    return true;
  })();
  if (!allowed) return { error: code(true, false) };
  const marked = path.map(({ address, entry }, i) => ({
    address: Number(address),
    bytes,
    value: entry | 0x20n | (w.write && i === path.length - 1 ? 0x40n : 0n),
  })) as Marked[];
  return { gpa, size, marked: marked.filter((m, i) => m.value !== path[i].entry) };
};
