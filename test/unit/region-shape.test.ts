// What a region takes in: calls by caller, returns to where they were seen to go, recursion once, nothing that hardly ever runs.
import test from 'ava';
import { CALL_DEPTH_MAX, REGION_BLOCKS_MAX, region, type SourceBlock } from '../../daemon/translate/emit/region.js';
import { unitOf } from '../rig/unit-bytes.js';
import { FLAT32, hex, RIP } from './translate-support.js';

const ripsOf = (code: string, observed?: ReadonlyMap<number, readonly number[]>): number[] =>
  unitOf(hex(code), FLAT32, RIP, observed).graph.blocks.map((b) => b.rip - RIP);

test('a function is there once for each place that calls it, and returns to that place', (t) => {
  // 0 call 12; 5 call 12; 10 jmp 10; 12 ret
  const { graph } = unitOf(hex('e8 07 00 00 00 e8 02 00 00 00 eb fe c3'), FLAT32, RIP);
  t.deepEqual(
    graph.blocks.map((b) => b.rip - RIP),
    [0, 12, 5, 12, 10],
  );
  t.deepEqual(
    graph.targets.filter((_, i) => graph.blocks[i].returns),
    [[RIP + 5], [RIP + 10]],
  );
});

test('a call through a pointer goes where it was seen to go', (t) => {
  // 0 call ecx; 2 jmp 2; 4 ret
  t.deepEqual(ripsOf('ff d1 eb fe c3'), [0]);
  t.deepEqual(ripsOf('ff d1 eb fe c3', new Map([[RIP, [RIP + 4]]])), [0, 4, 2]);
});

test('a return to an unknown caller goes where it was seen to go, and the call before that place comes back', (t) => {
  // 0 ret; 1 jmp 3; 3 call ecx (to 0); 5 jmp 1
  const observed = new Map([[RIP, [RIP + 5]]]);
  const { graph } = unitOf(hex('c3 eb 00 ff d1 eb fa'), FLAT32, RIP, observed);
  t.deepEqual(
    graph.blocks.map((b) => b.rip - RIP),
    [0, 5, 1, 3],
  );
  t.true(graph.loopHeader[0]);
});

test('a function that calls itself is not taken in by caller', (t) => {
  // 0 call 6; 5 hlt; 6 dec ecx; 7 jz 14; 9 call 6; 14 ret
  const rips = ripsOf('e8 01 00 00 00 f4 49 74 05 e8 f8 ff ff ff c3', new Map([[RIP + 14, [RIP + 14, RIP + 5]]]));
  t.is(rips.filter((rip) => rip === 6).length, 1);
  t.true(rips.includes(5));
});

const block = (rip: number, more: Partial<SourceBlock>): SourceBlock => ({
  rip,
  bytes: 1,
  records: 0,
  count: 1,
  instructions: 1,
  runs: 400,
  wide: true,
  targets: [],
  indirect: false,
  observed: [],
  returnRip: -1,
  returns: false,
  ...more,
});

test('a block that hardly ever ran stays outside', (t) => {
  const blocks = new Map([
    [1, block(1, { targets: [2, 3] })],
    [2, block(2, { runs: 20 })],
    [3, block(3, { runs: 30 })],
  ]);
  t.deepEqual(
    region(block(1, { targets: [2, 3] }), (rip) => blocks.get(rip)).blocks.map((b) => b.rip),
    [1, 3],
  );
});

test('calls inside each other and blocks have bounds', (t) => {
  const chain = (rip: number): SourceBlock => block(rip, { targets: [rip + 1] });
  t.is(region(chain(0), chain).blocks.length, REGION_BLOCKS_MAX);
  // Function n calls function n + 1 from two places; beyond the depth functions are there once for all their callers.
  const caller = (rip: number): SourceBlock =>
    rip % 10 === 2 ? block(rip, { indirect: true, returns: true }) : block(rip, { targets: [rip - (rip % 10) + 10], returnRip: rip + 1 });
  const copies = new Map<number, number>();
  for (const b of region(caller(0), (rip) => (rip < 10 * (CALL_DEPTH_MAX + 3) ? caller(rip) : undefined)).blocks)
    copies.set(b.rip, (copies.get(b.rip) ?? 0) + 1);
  t.is(copies.get(10 * (CALL_DEPTH_MAX + 1)), 1);
});
