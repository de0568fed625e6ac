// What an object of the machine knows that is in no shared memory: its part of a snapshot, by the names of its fields.
// Each class has it as a property `saved`, read and written between runs. An object of the same kind that has just been made says what must be there, so a field that is
// added to a class cannot be forgotten by who takes a snapshot up: it is missing, by its name. Which fields need not be saved at all is written down, one by one, in
// test/rig/derived-state.ts, and a test compares that with the sources.

export type Saved = number | string | boolean | Uint8Array | readonly Saved[] | { readonly [name: string]: Saved };

/** As bytes; a copy. */
export const bytesOf = ({ buffer, byteOffset, byteLength }: Int32Array | Float64Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength).slice();
export const wordsOf = (bytes: Uint8Array): Int32Array => new Int32Array(bytes.slice().buffer);
export const doublesOf = (bytes: Uint8Array): Float64Array => new Float64Array(bytes.slice().buffer);

const kindOf = (value: unknown): string => {
  if (value instanceof Uint8Array) return 'bytes';
  if (Array.isArray(value)) return 'list';
  return value === null || value === undefined ? 'nothing' : typeof value;
};

export interface Mismatch {
  /** Names that lead to the field, with dots between them. */
  readonly field: string;
  readonly why: string;
}

/** The first field in which `saved` is not of the kind of `fresh`. Lists may have any length; what is in them is the owner's business. */
export const firstMismatch = (fresh: unknown, saved: unknown, field = ''): Mismatch | undefined => {
  const [want, got] = [kindOf(fresh), kindOf(saved)];
  if (want !== got) return { field, why: got === 'nothing' ? 'it is not there' : `it is ${article(got)}, not ${article(want)}` };
  if (want !== 'object') return undefined;
  const wanted = fresh as Record<string, unknown>;
  const found = saved as Record<string, unknown>;
  for (const name of new Set([...Object.keys(wanted), ...Object.keys(found)])) {
    const path = field === '' ? name : `${field}.${name}`;
    if (!Object.hasOwn(wanted, name)) return { field: path, why: 'this hvd has no such field' };
    const mismatch = firstMismatch(wanted[name], found[name], path);
    if (mismatch !== undefined) return mismatch;
  }
  return undefined;
};

const article = (kind: string): string => (kind === 'bytes' ? kind : `a ${kind}`);
