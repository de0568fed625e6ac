// Which keys an input event of Ink's holds. What comes in one read of the terminal (keys in quick succession, a slow line, a paste) is one event: all characters up to the next escape sequence.

/** The keys that are not characters. */
export interface Key {
  readonly escape: boolean;
  readonly tab: boolean;
  readonly shift: boolean;
  readonly return: boolean;
  readonly backspace: boolean;
  readonly upArrow: boolean;
  readonly downArrow: boolean;
  readonly leftArrow: boolean;
  readonly rightArrow: boolean;
  readonly pageUp: boolean;
  readonly pageDown: boolean;
  readonly home: boolean;
  readonly end: boolean;
}

export interface Stroke {
  /** The character, or nothing. */
  readonly input: string;
  readonly key: Key;
  /** Ctrl-C, which Ink itself knows only where it comes alone. */
  readonly interrupt: boolean;
}

export const PLAIN: Key = {
  escape: false,
  tab: false,
  shift: false,
  return: false,
  backspace: false,
  upArrow: false,
  downArrow: false,
  leftArrow: false,
  rightArrow: false,
  pageUp: false,
  pageDown: false,
  home: false,
  end: false,
};
/** Characters that are keys. Terminals send either of the last two for the key over Enter. */
const CHARACTERS: Readonly<Record<string, keyof Key>> = {
  '\t': 'tab',
  '\r': 'return',
  '\n': 'return',
  '\b': 'backspace',
  '\x7f': 'backspace',
};
const CTRL_C = '\x03';

/** An escape sequence that Ink does not know: it comes without its Escape, and its letters are no keys. */
const UNKNOWN_SEQUENCE = /^[[O]./;

/** The stroke of a key by its name. */
export const strokeOf = (name: keyof Key): Stroke => ({ input: '', key: { ...PLAIN, [name]: true }, interrupt: false });

export type InkKey = Omit<Key, 'backspace'> & {
  readonly meta: boolean;
  readonly ctrl: boolean;
  readonly backspace: boolean;
  readonly delete: boolean;
};

/** One stroke for each key, in order. A letter right after Escape is what terminals send for Alt, which hvtop has no use for: it is two keys here. */
export function strokesOf(input: string, key: InkKey): readonly Stroke[] {
  // Ink calls the byte 7F `delete`, which is what most terminals send for Backspace.
  if (key.backspace || key.delete) return [strokeOf('backspace')];
  if (key.return) return [strokeOf('return')];
  if (input === '') return [{ input, key, interrupt: false }];
  if (key.ctrl || UNKNOWN_SEQUENCE.test(input)) return [];
  const strokes = [...input].map((one) => {
    const name = CHARACTERS[one];
    return name === undefined ? { input: one, key: PLAIN, interrupt: one === CTRL_C } : strokeOf(name);
  });
  return key.meta ? [strokeOf('escape'), ...strokes] : strokes;
}
