// Encodes the few ACPI Machine Language terms that the DSDT needs (ACPI 6.5, chapter 20.2).

export type Aml = readonly number[];

const bytesOf = (text: string): number[] => [...text].map((character) => character.charCodeAt(0));

/** Four characters, padded with underscores; one leading `\` makes it absolute. */
const nameString = (name: string): number[] => {
  const root = name.startsWith('\\');
  return [...(root ? [0x5c] : []), ...bytesOf((root ? name.slice(1) : name).padEnd(4, '_'))];
};

/** Length of a package, its own bytes included: 6 bits in one byte, or 4 bits and up to three bytes more (20.2.4). */
const packageLength = (contents: number): number[] => {
  if (contents + 1 < 0x40) return [contents + 1];
  for (let more = 1; more < 3; more++) {
    const length = contents + 1 + more;
    if (length < 1 << (4 + 8 * more)) {
      const encoded = [(more << 6) | (length & 15)];
      for (let byte = 0; byte < more; byte++) encoded.push((length >>> (4 + 8 * byte)) & 0xff);
      return encoded;
    }
  }
  const length = contents + 4;
  return [(3 << 6) | (length & 15), (length >>> 4) & 0xff, (length >>> 12) & 0xff, (length >>> 20) & 0xff];
};
const packaged = (opcode: Aml, contents: Aml): Aml => [...opcode, ...packageLength(contents.length), ...contents];

export const integer = (value: number): Aml => {
  if (value === 0 || value === 1) return [value];
  if (value <= 0xff) return [0x0a, value];
  if (value <= 0xffff) return [0x0b, value & 0xff, value >>> 8];
  return [0x0c, value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];
};
export const text = (value: string): Aml => [0x0d, ...bytesOf(value), 0];
export const packageOf = (...elements: readonly Aml[]): Aml => packaged([0x12], [elements.length, ...elements.flat()]);
export const buffer = (bytes: Aml): Aml => packaged([0x11], [...integer(bytes.length), ...bytes]);
export const name = (path: string, value: Aml): Aml => [0x08, ...nameString(path), ...value];
export const scope = (path: string, ...terms: readonly Aml[]): Aml => packaged([0x10], [...nameString(path), ...terms.flat()]);
export const device = (segment: string, ...terms: readonly Aml[]): Aml => packaged([0x5b, 0x82], [...nameString(segment), ...terms.flat()]);

/** A compressed plug-and-play ID such as PNP0501 (ACPI 6.5 19.6.36). */
export const eisaId = (id: string): Aml => {
  const letter = (at: number): number => id.charCodeAt(at) - 0x40;
  const vendor = (letter(0) << 10) | (letter(1) << 5) | letter(2);
  const product = Number.parseInt(id.slice(3), 16);
  return [0x0c, vendor >>> 8, vendor & 0xff, product >>> 8, product & 0xff];
};

/** Resource template of fixed ports and one ISA interrupt (ACPI 6.5 6.4.2). */
export const isaResources = (port: number, ports: number, irq: number): Aml => [
  ...[0x47, 0x01, port & 0xff, port >>> 8, port & 0xff, port >>> 8, 0x01, ports],
  ...[0x22, (1 << irq) & 0xff, (1 << irq) >>> 8],
  ...[0x79, 0x00],
];
/** The end tag alone. */
export const noResources: Aml = [0x79, 0x00];
