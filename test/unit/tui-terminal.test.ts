// What hvtop makes of its terminal: colours and characters that it can show, colours that people can tell apart, the mouse's reports.
import test from 'ava';
import fc from 'fast-check';
import { asciiText, capabilitiesOf, filterOf, withoutColour } from '../../tui/terminal/capabilities.js';
import { mouseOf } from '../../tui/terminal/mouse.js';
import { Painter } from '../../tui/terminal/painter.js';
import type { Screen } from '../../tui/terminal/screen.js';
import { heat } from '../../tui/view/interrupt-panels.js';
import { Line, withoutStyle } from '../../tui/view/line.js';
import { partitionColour, style, vpCellStyle } from '../../tui/view/style.js';

test('colours and characters follow NO_COLOR and the locale, and flags more than the locale', (t) => {
  t.deepEqual(capabilitiesOf({ LANG: 'en_US.UTF-8' }), { colour: true, utf8: true });
  t.deepEqual(capabilitiesOf({ LANG: 'de_DE.utf8', LC_ALL: '' }), { colour: true, utf8: true });
  t.deepEqual(capabilitiesOf({ LANG: 'en_US.UTF-8', LC_ALL: 'C' }), { colour: true, utf8: false });
  t.deepEqual(capabilitiesOf({ LC_CTYPE: 'C.UTF-8', LANG: 'C', NO_COLOR: '1' }), { colour: false, utf8: true });
  t.deepEqual(capabilitiesOf({ NO_COLOR: '' }), { colour: true, utf8: false });
  t.true(capabilitiesOf({ LC_ALL: 'C' }, 'utf8').utf8);
  t.false(capabilitiesOf({ LC_ALL: 'C.UTF-8' }, 'ascii').utf8);
});

test('every character that a panel may write has one of ASCII, as wide', (t) => {
  for (let code = 0x20; code < 0x3000; code++) {
    const line = withoutStyle(new Line(1).put(String.fromCharCode(code)).end());
    const plain = asciiText(line);
    t.true(/^[\x20-\x7e]$/.test(plain), `${code.toString(16)} ${line} ${JSON.stringify(plain)}`);
    if (line === '?' && code !== 0x3f) t.is(plain, '?');
  }
  t.is(asciiText('╭─┬╮│●◆■…·µ×↑↓←→┊█▌▏⠀⣿⠉⠒⣀⡇'), '+-++|**#~.ux^v<>:## ' + " |'-.|");
});

test('without colours nothing sets one; a background is reverse video; text and what is bold stay', (t) => {
  t.is(withoutColour('\x1b[0;1;38;5;75mA\x1b[0;38;5;16;48;5;75mB\x1b[31mC\x1b[39m\x1b[0md'), '\x1b[0;1mA\x1b[0;7mBC\x1b[0md');
  t.is(withoutColour('\x1b[38;2;1;2;3;4mx\x1b[48;2;1;2;3my\x1b[97;104mz\x1b[2mw'), '\x1b[4mx\x1b[7my\x1b[7mz\x1b[2mw');
  const codes = fc.array(
    fc.constantFrom('0', '1', '2', '4', '7', '22', '27', '30', '37', '39', '49', '90', '107', '38;5;200', '48;5;3', '38;2;9;9;9'),
    { minLength: 1, maxLength: 5 },
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(codes, fc.string({ maxLength: 5 })), { maxLength: 10 }), (pieces) => {
      const text = pieces.map(([set, word]) => `\x1b[${set.join(';')}m${word}`).join('');
      const plain = withoutColour(text);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape that starts a control sequence is what is searched for
      const left = [...plain.matchAll(/\x1b\[([0-9;]*)m/g)].flatMap(([, list]) => list!.split(';').map(Number));
      return withoutStyle(plain) === withoutStyle(text) && left.every((code) => code < 30);
    }),
  );
  t.is(filterOf({ colour: true, utf8: true })('\x1b[31m█'), '\x1b[31m█');
  t.is(filterOf({ colour: false, utf8: false })('\x1b[31m█'), '#');
});

test("the painter's lines and Ink's frames go through the filter", async (t) => {
  const written: string[] = [];
  const screen = { entered: true, congested: false, write: (text: string) => written.push(text) };
  const painter = new Painter(screen as unknown as Screen, filterOf({ colour: false, utf8: false }));
  painter.add({ place: () => ({ x: 0, y: 0, width: 2, height: 1 }), lines: () => ['\x1b[31m█\x1b[0m·'] });
  painter.under('╭\x1b[90m─╮\x1b[39m');
  await new Promise((resolve) => setImmediate(resolve));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: as above
  t.false(/[^\x00-\x7f]|\x1b\[(31|39|90)m/.test(written.join('')));
  t.true(written[0]!.includes('+-+') && written[0]!.includes('#\x1b[0m.'));
});

test('a click reaches the region that it is in, at a cell of it', (t) => {
  const screen = { entered: true, congested: false, write: () => {} };
  const painter = new Painter(screen as unknown as Screen);
  const pressed: unknown[] = [];
  const region = (name: string, x: number, y: number) => ({
    place: () => ({ x, y, width: 10, height: 3 }),
    lines: () => [],
    press: (column: number, row: number) => pressed.push([name, column, row]),
  });
  painter.add(region('a', 0, 0));
  painter.add(region('b', 10, 2));
  for (const [x, y] of [
    [9, 2],
    [10, 2],
    [19, 4],
    [20, 4],
    [10, 1],
  ] as const)
    painter.press(x, y);
  t.deepEqual(pressed, [
    ['a', 9, 2],
    ['b', 0, 0],
    ['b', 9, 2],
  ]);
});

test('reports of the mouse: presses and the wheel, with keys held or not; what else there is has no meaning', (t) => {
  t.deepEqual(mouseOf('[<0;1;24M'), { kind: 'press', x: 0, y: 23 });
  t.deepEqual(mouseOf('[<16;300;100M'), { kind: 'press', x: 299, y: 99 });
  t.deepEqual(mouseOf('[<64;5;6M'), { kind: 'wheel up', x: 4, y: 5 });
  t.deepEqual(mouseOf('[<65;5;6M'), { kind: 'wheel down', x: 4, y: 5 });
  for (const report of ['[<0;1;1m', '[<1;1;1M', '[<2;1;1M', '[<35;1;1M']) t.is(mouseOf(report), 'other', report);
  for (const text of ['', 'q', '[A', '[<0;1M', '[<0;1;1Mq', '<0;1;1M']) t.is(mouseOf(text), undefined, text);
  fc.assert(fc.property(fc.string(), (text) => mouseOf(text) === undefined || text.startsWith('[<')));
});

// Machado, Oliveira, Fernandes 2009: what protanopes, deuteranopes and tritanopes see of linear RGB.
const VISIONS = {
  normal: [1, 0, 0, 0, 1, 0, 0, 0, 1],
  protan: [0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998],
  deutan: [0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.01182, 0.04294, 0.968881],
  tritan: [1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.3039],
} as const;
const CUBE = [0, 95, 135, 175, 215, 255];
/** Of a colour of 16 to 255. */
const rgbOf = (colour: number): number[] =>
  colour >= 232
    ? [0, 0, 0].map(() => 8 + (colour - 232) * 10)
    : [Math.floor((colour - 16) / 36), Math.floor((colour - 16) / 6) % 6, (colour - 16) % 6].map((level) => CUBE[level]!);
/** CIE 1976 L*a*b*. */
const labOf = (colour: number, vision: keyof typeof VISIONS): number[] => {
  const linear = rgbOf(colour).map((value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
  const m = VISIONS[vision];
  const [r, g, b] = [0, 3, 6].map((row) =>
    Math.min(1, Math.max(0, m[row]! * linear[0]! + m[row + 1]! * linear[1]! + m[row + 2]! * linear[2]!)),
  ) as [number, number, number];
  const f = (v: number): number => (v > 0.008856 ? Math.cbrt(v) : 7.787 * v + 16 / 116);
  const [x, y, z] = [
    f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047),
    f(0.2126 * r + 0.7152 * g + 0.0722 * b),
    f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883),
  ];
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
};
/** The least that any of the four see between two colours. */
const difference = (a: number, b: number): number =>
  Math.min(
    ...(Object.keys(VISIONS) as (keyof typeof VISIONS)[]).map((vision) =>
      Math.hypot(...labOf(a, vision).map((value, i) => value - labOf(b, vision)[i]!)),
    ),
  );
const foreground = (text: string): number => Number(/38;5;(\d+)/.exec(text)![1]);
const background = (text: string): number => Number(/48;5;(\d+)/.exec(text)![1]);

test('colours that mean different things look different to everybody', (t) => {
  const apart = (colours: readonly number[], least: number, what: string): void => {
    for (const [i, a] of colours.entries())
      for (const b of colours.slice(0, i)) t.true(difference(a, b) >= least, `${what}: ${a} and ${b}, ${difference(a, b).toFixed(1)}`);
  };
  const partitions = [0, 1, 2, 3, 4, 5, 6, 7];
  apart(partitions.map(partitionColour), 25, 'partitions');
  apart([style.good, style.wait, style.busy, style.bad, style.odd].map(foreground), 25, 'states');
  // A shade of a partition is nearer to no other partition's colour than ten units, which is more than neighbours need.
  for (const partition of partitions)
    for (const vp of [0, 1, 2])
      for (const other of partitions.filter((one) => one !== partition)) {
        const shade = background(vpCellStyle(partition, vp));
        t.true(difference(shade, partitionColour(other)) >= 12, `shade ${shade} of ${partition} and ${other}`);
      }
  // Rates: lighter with each order of magnitude, which is seen without hues.
  const lights = [1, 10, 100, 1000, 10_000, 100_000].map((rate) => labOf(foreground(heat(rate)), 'normal')[0]!);
  for (let i = 1; i < lights.length; i++) t.true(lights[i]! - lights[i - 1]! >= 4, lights.join(' '));
  // Letters are dark on their shades.
  for (const partition of partitions) for (const vp of [0, 1, 2]) t.true(labOf(background(vpCellStyle(partition, vp)), 'normal')[0]! > 40);
});
