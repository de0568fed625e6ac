// Which keys an input event of Ink's holds. What comes in one read of the terminal (keys in quick succession, a slow line, a paste) is one event: all characters up to the next escape sequence.

/** The keys that are not characters. */
export interface Key {
  readonly escape: boolean;
  readonly tab: boolean;
  readonly shift: boolean;
  readonly upArrow: boolean;
  readonly downArrow: boolean;
  readonly leftArrow: boolean;
  readonly rightArrow: boolean;
}

export interface Stroke {
  /** The character, or nothing. */
  readonly input: string;
  readonly key: Key;
  /** Ctrl-C, which Ink itself knows only where it comes alone. */
  readonly interrupt: boolean;
}

const PLAIN: Key = {
  escape: false,
  tab: false,
  shift: false,
  upArrow: false,
  downArrow: false,
  leftArrow: false,
  rightArrow: false,
};
const CTRL_C = '\x03';

/** An escape sequence that Ink does not know: it comes without its Escape, and its letters are no keys. */
const UNKNOWN_SEQUENCE = /^[[O]./;

/** One stroke for each key, in order. A letter right after Escape is what terminals send for Alt, which hvtop has no use for: it is two keys here. */
export function strokesOf(input: string, key: Key & { readonly meta: boolean; readonly ctrl: boolean }): readonly Stroke[] {
  if (input === '') return [{ input, key, interrupt: false }];
  if (key.ctrl || UNKNOWN_SEQUENCE.test(input)) return [];
  const strokes = [...input].map((one) =>
    one === '\t' ? { input: '', key: { ...PLAIN, tab: true }, interrupt: false } : { input: one, key: PLAIN, interrupt: one === CTRL_C },
  );
  return key.meta ? [{ input: '', key: { ...PLAIN, escape: true }, interrupt: false }, ...strokes] : strokes;
}
