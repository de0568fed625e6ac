// What the terminal can show, and how what the panels say is put into that: colours, and characters beyond ASCII. Every character stays one column wide.

export interface Capabilities {
  readonly colour: boolean;
  readonly utf8: boolean;
}

/** NO_COLOR (no-color.org) takes colours away when it is set and not empty; characters follow the locale (POSIX: LC_ALL, LC_CTYPE, LANG, the first that is not empty). */
export const capabilitiesOf = (env: Readonly<Record<string, string | undefined>>, characters?: 'ascii' | 'utf8'): Capabilities => {
  const locale = [env.LC_ALL, env.LC_CTYPE, env.LANG].find((value) => value !== undefined && value !== '') ?? '';
  return {
    colour: (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb',
    utf8: characters === undefined ? /utf-?8/i.test(locale) : characters === 'utf8',
  };
};

/** Text with SGR sequences, as this terminal can show it. */
export const filterOf = ({ colour, utf8 }: Capabilities): ((text: string) => string) => {
  if (colour && utf8) return (text) => text;
  return (text) => {
    const plain = colour ? text : withoutColour(text);
    return utf8 ? plain : asciiText(plain);
  };
};

// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape that starts a control sequence is what is searched for
const SGR = /\x1b\[([0-9;]*)m/g;

/** Colours go; a background becomes reverse video, so that what is chosen and which lane is busy are still seen. Bold, underlined and the like stay. */
export const withoutColour = (text: string): string =>
  text.replace(SGR, (_, parameters: string) => {
    const kept: string[] = [];
    const codes = parameters.split(';');
    for (let i = 0; i < codes.length; i++) {
      const code = Number(codes[i]);
      const isBackground = code === 48 || (code >= 40 && code <= 47) || (code >= 100 && code <= 107);
      // ECMA-48 8.3.117, ISO 8613-6: 38 and 48 take `5;n` or `2;r;g;b`.
      if (code === 38 || code === 48) i += codes[i + 1] === '2' ? 4 : 2;
      if (isBackground) kept.push('7');
      else if (!((code >= 30 && code <= 39) || code === 49 || (code >= 90 && code <= 97))) kept.push(codes[i]!);
    }
    return kept.length === 0 ? '' : `\x1b[${kept.join(';')}m`;
  });

const SIGNS: Readonly<Record<string, string>> = {
  '…': '~',
  '·': '.',
  µ: 'u',
  '×': 'x',
  '←': '<',
  '↑': '^',
  '→': '>',
  '↓': 'v',
  '┊': ':',
  '►': '>',
  '●': '*',
  '◆': '*',
  '○': 'o',
  '◌': 'o',
  '■': '#',
};

// biome-ignore lint/suspicious/noControlCharactersInRegex: everything in ASCII is left as it is
const BEYOND = /[^\x00-\x7f]/g;
export const asciiText = (text: string): string => text.replace(BEYOND, asciiOf);

const asciiOf = (character: string): string => {
  const sign = SIGNS[character];
  if (sign !== undefined) return sign;
  const code = character.charCodeAt(0);
  if (code >= 0x2500 && code <= 0x257f) return '─━═┄┅┈┉╌╍'.includes(character) ? '-' : '│┃║┆┇┋╎╏'.includes(character) ? '|' : '+';
  // Blocks: at least half of the column is full, or it is not.
  if (code >= 0x2580 && code <= 0x259f) return '▍▎▏▕▔▁▂▃░'.includes(character) ? ' ' : '#';
  if (code >= 0x2800 && code <= 0x28ff) return ofDots(code & 0xff);
  return code >= 0x25a0 && code <= 0x25ff ? '*' : '?';
};

/** Braille (Unicode 8-dot): bits 0 and 3 are the first row of two dots, 1 and 4 the second, 2 and 5 the third, 6 and 7 the last. */
const ofDots = (dots: number): string => {
  const [first, second, third, fourth] = [0x09, 0x12, 0x24, 0xc0].map((row) => (dots & row) !== 0);
  if (dots === 0) return ' ';
  if (first && second && third && fourth) return '|';
  if ((first || second) && (third || fourth)) return first && fourth ? ':' : '-';
  if (first) return "'";
  return second || third ? '-' : '.';
};
