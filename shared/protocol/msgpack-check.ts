// What a frame's msgpack must be before it is decoded: one whole value of nil, booleans, numbers, text, bytes, arrays and maps with keys of text, not too deep, not too
// many. The decoder knows more (regular expressions, sets, typed arrays, records that it compiles to functions), and makes room for what a length promises: a peer must
// not get at that. https://github.com/msgpack/msgpack/blob/master/spec.md

/** Arrays and maps inside each other. */
export const DEPTH_MAX = 32;

/** Extension 0 with one byte: `undefined`, as msgpackr writes it. */
const UNDEFINED_EXTENSION = 0xd4;

/** Bytes behind the first one of values that have a fixed size; of those from 0xc0 on, by what is above it. -1: has its length in it; -2: not allowed. */
// biome-ignore format: a row a family
const FIXED = [
  0, -2, 0, 0, // nil, (never used), false, true
  -1, -1, -1, // bin 8, 16, 32
  -2, -2, -2, // ext 8, 16, 32
  4, 8, // float 32, 64
  1, 2, 4, 8, // uint 8, 16, 32, 64
  1, 2, 4, 8, // int 8, 16, 32, 64
  -1, -2, -2, -2, -2, // fixext 1, 2, 4, 8, 16
  -1, -1, -1, // str 8, 16, 32
  -1, -1, // array 16, 32
  -1, -1, // map 16, 32
];

/** What is wrong with the bytes from `from` to `to`, with the place in the frame, or undefined. `valuesMax`: values all in all, keys too. */
export const msgpackMistake = (bytes: Uint8Array, from: number, to: number, valuesMax: number): string | undefined => {
  /** Values still to come in each container that is open; in maps keys are every other one. */
  const left = new Array<number>(DEPTH_MAX);
  const isMap = new Array<boolean>(DEPTH_MAX);
  let depth = 0;
  let values = 0;
  let at = from;
  const wrong = (what: string): string => `byte ${at - from}: ${what}`;
  do {
    if (at >= to) return wrong('it ends within a value');
    if (++values > valuesMax) return wrong(`more than ${valuesMax} values`);
    const first = bytes[at]!;
    const isText = (first >= 0xa0 && first <= 0xbf) || (first >= 0xd9 && first <= 0xdb);
    if (depth > 0) {
      if (isMap[depth - 1] === true && (left[depth - 1]! & 1) === 0 && !isText) return wrong('a key of a map is not text');
      left[depth - 1]!--;
    }
    let skip = 0;
    let items = -1;
    let map = false;
    if (first <= 0x7f || first >= 0xe0) skip = 1;
    else if (first <= 0x8f) {
      map = true;
      skip = 1;
      items = first & 15;
    } else if (first <= 0x9f) {
      skip = 1;
      items = first & 15;
    } else if (first <= 0xbf) skip = 1 + (first & 31);
    else if (first === UNDEFINED_EXTENSION) {
      if (bytes[at + 1] !== 0) return wrong('an extension');
      skip = 3;
    } else {
      const fixed = FIXED[first - 0xc0]!;
      if (fixed === -2) return wrong(first === 0xc1 ? 'no value begins with c1' : 'an extension');
      if (fixed >= 0) skip = 1 + fixed;
      else {
        const isContainer = first >= 0xdc;
        const width = isContainer ? (first & 1) * 2 + 2 : 1 << (first >= 0xd9 ? first - 0xd9 : first - 0xc4);
        if (at + 1 + width > to) return wrong('it ends within a length');
        let length = 0;
        for (let i = 1; i <= width; i++) length = length * 256 + bytes[at + i]!;
        skip = 1 + width;
        if (isContainer) {
          map = first >= 0xde;
          items = length;
        } else skip += length;
      }
    }
    if (skip > to - at) return wrong(`a length of ${skip} bytes where ${to - at} are left`);
    at += skip;
    if (items >= 0) {
      const wanted = map ? items * 2 : items;
      // Each takes a byte at least.
      if (wanted > to - at) return wrong(`${items} entries where ${to - at} bytes are left`);
      if (depth === DEPTH_MAX) return wrong(`deeper than ${DEPTH_MAX}`);
      left[depth] = wanted;
      isMap[depth++] = map;
    }
    while (depth > 0 && left[depth - 1] === 0) depth--;
  } while (depth > 0);
  return at === to ? undefined : wrong('bytes behind the value');
};
