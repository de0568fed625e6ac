// Storms of locked instructions by processors in real threads on one memory: no update is lost, whatever the instruction, alignment and tier.
// A plain read-modify-write in place of one loses updates: the last test shows that this would be seen.
import test from 'ava';
import { Slot } from '../../shared/layout/vp.js';
import { assembleCode, type CodeItem } from '../rig/code-bytes.js';
import { guestThreads, Place } from '../rig/guest-threads.js';

const { RCX, RDI, R8 } = Slot;
const COUNTER = Place.DATA + 0x100;
const LOCK = Place.DATA + 0x400;
/** Crosses a cache line; crosses a page. */
const SPLIT_LINE = Place.DATA + 0x1000 + 61;
const SPLIT_PAGE = Place.DATA + 0x2ffd;

interface Storm {
  readonly name: string;
  /** One addition to the counter at [RDI]; R8 = a lock word. RCX is the loop's. */
  readonly body: readonly CodeItem[];
  readonly at?: number;
  readonly bytes?: 4 | 8 | 16;
  readonly rounds?: number;
  /** What one round adds; 1 unless said. */
  readonly step?: number;
}
/** Takes the lock at [R8], adds plainly, releases it. */
const guarded = (take: readonly CodeItem[], release: string): CodeItem[] => [...take, 'ff07', release];
const MANY = 6000;
/** Each of these stops all other processors. */
const FEW = 120;

const STORMS: readonly Storm[] = [
  { name: 'lock inc', body: ['f0ff07'] },
  { name: 'lock add', body: ['f0830701'] },
  { name: 'lock sub', body: ['f0832fff'] },
  { name: 'lock xadd', body: ['b801000000', 'f00fc107'] },
  { name: 'lock xadd, 64 bits', body: ['b801000000', 'f0480fc107'], bytes: 8 },
  { name: 'lock xadd, 16 bits', body: ['b801000000', 'f0660fc107'], rounds: 5000 },
  { name: 'lock not, an even number of times', body: ['f0f717', 'f0f717'], step: 0 },
  { name: 'lock xor, an even number of times', body: ['f0833715', 'f0833715'], step: 0 },
  { name: 'lock dec from the top', body: ['f0ff0f'], step: 0xffff_ffff },
  { name: 'lock cmpxchg loop', body: ['8b07', { label: 'again' }, '8d5001', 'f00fb117', '0f85', { to: 'again' }] },
  {
    name: 'lock cmpxchg8b loop',
    // mov eax,[rdi]; mov edx,[rdi+4]; again: mov r9d,ecx; lea ebx,[rax+1]; mov r10d,edx; mov ecx,edx; lock cmpxchg8b [rdi]; mov ecx,r9d; jne again
    body: ['8b07', '8b5704', { label: 'again' }, '4189c9', '8d5801', '89d1', 'f00fc70f', '4489c9', '0f85', { to: 'again' }],
    bytes: 8,
  },
  { name: 'xchg spinlock', body: guarded([{ label: 'again' }, 'b801000000', '418700', '85c0', '7404', 'f390', 'ebf0'], '41c70000000000') },
  { name: 'lock bts spinlock', body: guarded([{ label: 'again' }, 'f0410fba2803', '7304', 'f390', 'ebf4'], '41c70000000000') },
  {
    name: 'lock bts spinlock, released by lock btr',
    body: guarded([{ label: 'again' }, 'f0410fba2803', '7304', 'f390', 'ebf4'], 'f0410fba3003'),
  },
  { name: 'lock inc over a cache line', body: ['f0ff07'], at: SPLIT_LINE, rounds: FEW },
  { name: 'lock xadd over a page boundary', body: ['b801000000', 'f0480fc107'], at: SPLIT_PAGE, bytes: 8, rounds: FEW },
  {
    name: 'lock cmpxchg loop over a cache line',
    body: ['8b07', { label: 'again' }, '8d5001', 'f00fb117', '0f85', { to: 'again' }],
    at: SPLIT_LINE,
    rounds: FEW,
  },
  { name: 'lock inc, aligned and split by turns', body: ['f0ff07', 'f041ff4039'], rounds: FEW },
];
const CMPXCHG16B: Storm = {
  name: 'lock cmpxchg16b loop',
  // As cmpxchg8b, with RBX = low + 1 and RCX = high.
  body: ['488b07', '488b5708', { label: 'again' }, '4989c9', '488d5801', '4889d1', 'f0480fc70f', '4c89c9', '0f85', { to: 'again' }],
  bytes: 16,
  rounds: 2000,
};

/** loop: body; dec ecx; jnz loop; int3. */
const program = (base: number, storm: Storm): Uint8Array =>
  assembleCode(base, [{ label: 'loop' }, ...storm.body, 'ffc9', '0f85', { to: 'loop' }, 'cc']).bytes;

for (const [lps, tiers] of [
  [2, 'cold'],
  [3, 'both'],
] as const)
  test.serial(`no update by ${lps} processors is lost (${tiers})`, async (t) => {
    t.timeout(120_000);
    const threads = guestThreads(lps, tiers);
    try {
      const { views, at } = threads;
      for (const [n, storm] of [...STORMS, CMPXCHG16B].entries()) {
        const code = Place.CODE + n * 0x80;
        const place = storm.at ?? COUNTER;
        const rounds = Math.ceil((storm.rounds ?? MANY) / (lps - 1));
        threads.load(code, program(code, storm));
        views.u8.fill(0, at(place), at(place) + 16);
        views.u8.fill(0, at(LOCK), at(LOCK) + 64);
        const ends = await threads.run(
          Array.from({ length: lps }, () => ({ rip: code, registers: { [RCX]: rounds, [RDI]: place, [R8]: LOCK } })),
        );
        for (const end of ends) t.deepEqual([end.error, end.vector], [null, 3], storm.name);
        const got = storm.bytes === undefined ? BigInt(views.data.getUint32(at(place), true)) : views.data.getBigUint64(at(place), true);
        const wanted = BigInt.asUintN(storm.bytes === undefined ? 32 : 64, BigInt(rounds * lps) * BigInt(storm.step ?? 1));
        t.is(storm.name.includes('16 bits') ? got & 0xffffn : got, storm.name.includes('16 bits') ? wanted & 0xffffn : wanted, storm.name);
        if (storm.at !== undefined)
          t.true(
            ends.every((end) => end.busLocks >= rounds),
            `${storm.name}: ${ends.map((e) => e.busLocks)}`,
          );
        if (tiers === 'both' && storm.rounds === undefined)
          t.true(
            ends.every((end) => end.compilations > 0),
            `${storm.name} compiles`,
          );
      }
    } finally {
      await threads.close();
    }
  });

test.serial('updates without LOCK are lost, so that a storm would show it', async (t) => {
  t.timeout(60_000);
  const threads = guestThreads(2, 'both');
  try {
    const { views, at } = threads;
    const storm: Storm = { name: 'inc', body: ['ff07'] };
    threads.load(Place.CODE, program(Place.CODE, storm));
    const rounds = 2_000_000;
    for (let tries = 0; tries < 20; tries++) {
      views.u32[at(COUNTER) >>> 2] = 0;
      await threads.run([0, 1].map(() => ({ rip: Place.CODE, registers: { [RCX]: rounds, [RDI]: COUNTER } })));
      if (views.u32[at(COUNTER) >>> 2] < 2 * rounds) {
        t.pass();
        return;
      }
    }
    t.fail('two processors never ran at the same time');
  } finally {
    await threads.close();
  }
});
