// What a guest does to a terminal is undone, however its bytes are cut into pieces; and a console has one keyboard.
import test from 'ava';
import fc from 'fast-check';
import { TerminalModes, withoutQueries } from '../../daemon/cli/terminal-modes.js';
import { Keyboards } from '../../daemon/root/control/keyboards.js';

const PLAIN = '\x1b[0m\x1b(B\x1b>';
const undone = (...pieces: readonly string[]): string => {
  const modes = new TerminalModes();
  for (const piece of pieces) modes.note(Buffer.from(piece));
  return modes.undo();
};

test('modes that a guest has changed and not changed back are undone', (t) => {
  t.is(undone('plain text\r\n'), '');
  t.is(undone('\x1b[31mred'), PLAIN);
  t.is(undone('\x1b[?1049h\x1b[?25l'), `\x1b[?1049l\x1b[?25h${PLAIN}`);
  t.is(undone('\x1b[?1049h\x1b[?25l full screen \x1b[?1049l\x1b[?25h'), PLAIN);
  t.is(undone('\x1b[?1000;1006;25h'), `\x1b[?1000l\x1b[?1006l${PLAIN}`);
});

test('what was asked of an earlier terminal is not asked of this one; everything else is as it was', (t) => {
  const kept = '\x1b[31m# \x1b[2J\x1b[?25l\x1b]0;title\x07\x1b[6C\xff';
  for (const query of [
    '\x1b[6n',
    '\x1b[?6n',
    '\x1b[c',
    '\x1b[0c',
    '\x1b[>c',
    '\x1b[?2026$p',
    '\x1bP$qm\x1b\\',
    '\x1b]11;?\x07',
    '\x1b]4;1;?\x1b\\',
    '\x1bZ',
  ])
    t.is(
      Buffer.from(withoutQueries(Buffer.from(`a${query}${kept}${query}b`, 'latin1'))).toString('latin1'),
      `a${kept}b`,
      JSON.stringify(query),
    );
});

test('wherever the bytes are cut, the same is undone', (t) => {
  const parts = fc.constantFrom(
    '\x1b[?1049h',
    '\x1b[?25l',
    '\x1b[?25h',
    '\x1b[?1;2004h',
    '\x1b[?1l',
    '\x1b[2J',
    '\x1b',
    '[?',
    'text',
    'h',
    '\x1b[?7l',
  );
  fc.assert(
    fc.property(fc.array(parts, { maxLength: 12 }), fc.array(fc.nat(100), { maxLength: 10 }), (words, cuts) => {
      const text = words.join('');
      const at = [...new Set(cuts.map((cut) => cut % (text.length + 1)))].sort((a, b) => a - b);
      t.is(undone(...[0, ...at].map((from, n) => text.slice(from, at[n] ?? text.length))), undone(text));
    }),
    { numRuns: 500 },
  );
});

test('a console has one keyboard: whoever is second is told, force takes it, and who ends gives it back', (t) => {
  const keyboards = new Keyboards();
  const [a, b] = [{}, {}];
  t.true(keyboards.isOpenTo('x', a));
  t.true(keyboards.take('x', a, false));
  t.false(keyboards.take('x', b, false));
  t.true(keyboards.take('y', b, false));
  t.deepEqual([keyboards.isOpenTo('x', a), keyboards.isOpenTo('x', b)], [true, false]);
  t.true(keyboards.take('x', b, true));
  t.deepEqual([keyboards.holds('x', a), keyboards.holds('x', b)], [false, true]);
  keyboards.release('x', a);
  t.true(keyboards.holds('x', b), 'it was not the first one’s any more');
  keyboards.release('x', b);
  t.true(keyboards.take('x', a, false));
});
