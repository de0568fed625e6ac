// Small decisions of root: where VPs live, which node an LP is on, which host cores there are, what a table looks like.
import test from 'ava';
import fc from 'fast-check';
import { formatTable } from '../../daemon/cli/output.js';
import { ConsoleTail } from '../../daemon/cli/run/console-tail.js';
import { DropLog } from '../../daemon/root/control/drop-log.js';
import type { Log } from '../../daemon/root/log.js';
import { nodeOf } from '../../daemon/root/machine-memory.js';
import { parseCoreList } from '../../daemon/root/pinning.js';
import { placeVps } from '../../daemon/root/placement.js';

test('VPs spread so that no LP has two more than another', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 64 }), fc.uniqueArray(fc.nat(63), { minLength: 1, maxLength: 64 }), (vps, alive) => {
      const homes = placeVps(vps, 0, alive, []);
      const counts = alive.map((lp) => homes.filter((home) => home === lp).length);
      t.is(homes.length, vps);
      t.true(homes.every((home) => alive.includes(home)));
      t.true(Math.max(...counts) - Math.min(...counts) <= 1);
    }),
  );
});

const standing = (...counts: readonly number[]) => counts.map((vps) => ({ vps, reserved: 0 }));

test('a new partition goes to the LPs that have least', (t) => {
  t.deepEqual(placeVps(2, 0, [0, 1, 2, 3], standing(1, 1, 0, 0)), [2, 3]);
  t.deepEqual(placeVps(3, 0, [1, 3], standing(0, 5, 0, 4)), [3, 1, 3]);
});

test('no LP is promised to more than it has', (t) => {
  const had = [
    { vps: 1, reserved: 55 },
    { vps: 3, reserved: 0 },
  ];
  t.deepEqual(placeVps(2, 45, [0, 1], had), [1, 1]);
  t.deepEqual(placeVps(3, 40, [0, 1], had), [0, 1, 1]);
  t.deepEqual(placeVps(4, 40, [0, 1], had), [0, 1, 1]);
});

test('LPs are dealt to nodes in blocks and every node has one', (t) => {
  t.deepEqual(
    [0, 1, 2, 3].map((lp) => nodeOf(lp, 4, 2)),
    [0, 0, 1, 1],
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 8 }), (lps, nodes) => {
      fc.pre(nodes <= lps);
      const all = Array.from({ length: lps }, (_, lp) => nodeOf(lp, lps, nodes));
      return new Set(all).size === nodes && all.every((node, i) => i === 0 || node >= all[i - 1]);
    }),
  );
  t.pass();
});

test('core lists are read', (t) => {
  t.deepEqual(parseCoreList('0-2,7'), [0, 1, 2, 7]);
  t.deepEqual(parseCoreList(''), []);
});

test('the newest console output is kept, and what is given up is counted', (t) => {
  const tail = new ConsoleTail(5);
  for (const piece of ['abc', 'de', 'fg', 'hijklmno']) tail.push(Buffer.from(piece));
  t.is(tail.text(), 'klmno');
  t.is(tail.lost, 10);
});

test('clients that are dropped all the time make one line a second', (t) => {
  const lines: object[] = [];
  let now = 0;
  const drops = new DropLog({ warn: (fields: object) => lines.push(fields) } as unknown as Log, () => now);
  for (; now < 2500; now += 10) drops.note('protocol.not-msgpack');
  t.deepEqual(lines, [{ code: 'protocol.not-msgpack' }, ...Array(2).fill({ code: 'protocol.not-msgpack', others: 99 })]);
});

test('tables align numbers to the right and nothing trails', (t) => {
  t.is(
    formatTable(
      ['A', 'B', 'C'],
      [
        ['x', 1, ''],
        ['long', 100, ''],
      ],
    ),
    'A       B  C\nx       1\nlong  100',
  );
});
