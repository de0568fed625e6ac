// Machine code from hexadecimal text, labels and 32-bit displacements to them: for tests whose programs are too small for an assembler.

/** Hexadecimal bytes, a label's place, or a displacement to a label; `after` = bytes of the instruction that follow the displacement. */
export type CodeItem = string | { readonly label: string } | { readonly to: string; readonly after?: number };

export interface AssembledCode {
  readonly bytes: Uint8Array;
  /** Address of each label. */
  readonly at: Readonly<Record<string, number>>;
}

const DISPLACEMENT_BYTES = 4;
const bytesOf = (text: string): number[] => (text.match(/[0-9a-f]{2}/gi) ?? []).map((pair) => Number.parseInt(pair, 16));

export const assembleCode = (base: number, items: readonly CodeItem[]): AssembledCode => {
  const at: Record<string, number> = {};
  let length = 0;
  for (const item of items) {
    if (typeof item === 'string') length += bytesOf(item).length;
    else if ('label' in item) at[item.label] = base + length;
    else length += DISPLACEMENT_BYTES;
  }
  const bytes = new Uint8Array(length);
  const data = new DataView(bytes.buffer);
  let place = 0;
  for (const item of items) {
    if (typeof item === 'string') {
      const part = bytesOf(item);
      bytes.set(part, place);
      place += part.length;
    } else if ('to' in item) {
      if (!(item.to in at)) throw new Error(`no label ${item.to}`);
      data.setInt32(place, at[item.to] - (base + place + DISPLACEMENT_BYTES + (item.after ?? 0)), true);
      place += DISPLACEMENT_BYTES;
    }
  }
  return { bytes, at };
};

/** A number's bytes in hexadecimal, least significant first. */
export const littleEndian = (value: number | bigint, bytes: number): string => {
  let text = '';
  for (let i = 0, rest = BigInt.asUintN(8 * bytes, BigInt(value)); i < bytes; i++, rest >>= 8n)
    text += (rest & 0xffn).toString(16).padStart(2, '0');
  return text;
};
