// Hypercalls by their control word, registers and memory: statuses as the TLFS has them (3.7 to 3.9), for every call, in both tiers.
import test from 'ava';
import { HvCall, HvStatus } from '../../shared/abi/hyperv.js';
import { VectorSlot } from '../../shared/layout/vp.js';
import { control, HypercallPages, HypervGuest, TIERS, type Tier } from '../rig/hyperv-guest.js';

const UD = 6;
const guest = (tiers: Tier, hv = 'all', vps = 1): HypervGuest => new HypervGuest(tiers, hv, vps).enable();
const FAST = { fast: true };

for (const tiers of TIERS) {
  test(`${tiers}: what is wrong with the control word or the addresses, and its status`, (t) => {
    const g = guest(tiers);
    g.input(0, 0, 1, 0, 0, 0);
    const { INPUT } = HypercallPages;
    const flush = HvCall.FLUSH_VIRTUAL_ADDRESS_SPACE;
    const list = HvCall.FLUSH_VIRTUAL_ADDRESS_LIST;
    const table: readonly [string, bigint, number, number][] = [
      ['code 0', control(0), INPUT, HvStatus.INVALID_HYPERCALL_CODE],
      ['an unknown code, with everything else wrong too', control(0x0fff, { more: 1n << 31n }), 1, HvStatus.INVALID_HYPERCALL_CODE],
      ['an extended code', control(0x8001), INPUT, HvStatus.INVALID_HYPERCALL_CODE],
      ['right', control(flush), INPUT, HvStatus.SUCCESS],
      ...[27, 28, 29, 30, 31, 44, 47, 60, 63].map((bit): [string, bigint, number, number] => [
        `reserved bit ${bit}`,
        control(flush, { more: 1n << BigInt(bit) }),
        INPUT,
        HvStatus.INVALID_HYPERCALL_INPUT,
      ]),
      ['a rep count for a simple call', control(flush, { reps: 1 }), INPUT, HvStatus.INVALID_HYPERCALL_INPUT],
      ['a rep start for a simple call', control(flush, { start: 1 }), INPUT, HvStatus.INVALID_HYPERCALL_INPUT],
      ['a variable header where there is none', control(flush, { variable: 1 }), INPUT, HvStatus.INVALID_HYPERCALL_INPUT],
      ['no rep count for a rep call', control(list), INPUT, HvStatus.INVALID_HYPERCALL_INPUT],
      ['rep start not below rep count', control(list, { reps: 2, start: 2 }), INPUT, HvStatus.INVALID_HYPERCALL_INPUT],
      ['input not aligned', control(flush), INPUT + 4, HvStatus.INVALID_ALIGNMENT],
      ['input across a page', control(flush), INPUT + 0xff0, HvStatus.INVALID_ALIGNMENT],
      ['a list across a page', control(list, { reps: 510 }), INPUT, HvStatus.INVALID_ALIGNMENT],
      ['input beyond RAM', control(flush), 0x1000_0000, HvStatus.INVALID_ALIGNMENT],
    ];
    for (const [what, word, input, status] of table) {
      const result = g.call(word, input);
      t.is(result.vector, -1, what);
      t.is(result.status, status, what);
      t.is(result.reps, 0, what);
    }
    t.is(g.call(control(flush), 1n << 45n).status, HvStatus.INVALID_ALIGNMENT, 'input beyond the address space');
    const ids = control(HvCall.GET_VP_INDEX_FROM_APIC_ID, { reps: 1 });
    g.input(0xffff_ffff, 0xffff_ffff, 0, 0, 0, 0);
    t.is(g.call(ids, INPUT, INPUT + 0x804).status, HvStatus.INVALID_ALIGNMENT, 'output not aligned');
    t.is(g.call(ids, INPUT, INPUT + 8).status, HvStatus.INVALID_PARAMETER, 'output over input');
    t.is(g.call(ids, INPUT, HypercallPages.CODE).status, HvStatus.INVALID_ALIGNMENT, 'output where guests may not write');
    t.is(g.call(ids).status, HvStatus.SUCCESS);
  });

  test(`${tiers}: calls that the partition was not told of are denied, whatever else is wrong`, (t) => {
    const g = guest(tiers, 'minimal');
    for (const [name, code] of Object.entries(HvCall)) {
      const status = g.call(control(code, { more: 1n << 31n }), 3).status;
      if (code === HvCall.NOTIFY_LONG_SPIN_WAIT) t.is(status, HvStatus.INVALID_HYPERCALL_INPUT);
      else t.is(status, HvStatus.ACCESS_DENIED, name);
    }
  });

  test(`${tiers}: more than 16 bytes in registers need XMM input, output there XMM output`, (t) => {
    const flush = control(HvCall.FLUSH_VIRTUAL_ADDRESS_SPACE, FAST);
    t.is(guest(tiers, 'all,-xmm-input').call(flush, 0, 1).vector, UD);
    const g = guest(tiers);
    // Flags in R8, the mask of VPs in XMM0.
    t.is(g.call(flush, 0, 0).status, HvStatus.INVALID_PARAMETER, 'nobody');
    g.machine.views.u64[(g.machine.vp.vectors + VectorSlot.XMM * 16) >>> 3] = 1n;
    t.is(g.call(flush, 0, 0).status, HvStatus.SUCCESS);
    // Header 16 bytes in RDX and R8, one APIC ID in XMM0 low, XMM0 high padding, output from XMM1 on.
    const ids = control(HvCall.GET_VP_INDEX_FROM_APIC_ID, { ...FAST, reps: 1 });
    t.is(guest(tiers, 'all,-xmm-output').call(ids, -1n, 0).vector, UD);
    const two = guest(tiers, 'all', 2);
    const xmm = (two.machine.vp.vectors + VectorSlot.XMM * 16) >>> 3;
    two.machine.views.u64.set([1n, 77n, 99n, 99n], xmm);
    t.is(two.call(ids, -1n, 0).status, HvStatus.SUCCESS);
    t.deepEqual([...two.machine.views.u64.subarray(xmm, xmm + 4)], [1n, 77n, 1n, 99n]);
    t.is(
      two.call(control(HvCall.FLUSH_VIRTUAL_ADDRESS_LIST, { ...FAST, reps: 12 })).status,
      HvStatus.INVALID_HYPERCALL_INPUT,
      'over 112 bytes',
    );
  });

  test(`${tiers}: level 3 may not; nor does anybody whose identity was taken back`, (t) => {
    const g = guest(tiers);
    g.machine.load('0f01c1', 0x3_0000);
    t.is(g.machine.run({ level: 3 }).vector, UD);
    g.write(0x4000_0000, 0n);
    t.is(g.read(0x4000_0001), BigInt(HypercallPages.CODE), 'the page is disabled');
    g.machine.load('0f01c1');
    t.is(g.machine.run().vector, UD);
  });

  test(`${tiers}: sets of VPs have as many banks as the variable header`, (t) => {
    const g = guest(tiers, 'all', 2);
    const flush = HvCall.FLUSH_VIRTUAL_ADDRESS_SPACE_EX;
    const status = (variable: number, format: number, banks: number, bank = 1): number => {
      g.input(0, 0, 0, 0, format, 0, banks, 0, bank, 0);
      return g.call(control(flush, { variable })).status;
    };
    t.is(status(1, 0, 1), HvStatus.SUCCESS);
    t.is(status(0, 0, 0), HvStatus.SUCCESS, 'an empty set');
    t.is(status(0, 1, 0), HvStatus.SUCCESS, 'all');
    t.is(status(0, 0, 1), HvStatus.INVALID_HYPERCALL_INPUT);
    t.is(status(2, 0, 1), HvStatus.INVALID_HYPERCALL_INPUT);
    t.is(status(2, 0, 3), HvStatus.SUCCESS, 'VPs that there are not');
    t.is(status(1, 2, 1), HvStatus.INVALID_PARAMETER, 'no such format');
    g.input(8, 0, 0, 0, 0, 0, 1, 0, 1, 0);
    t.is(g.call(control(flush, { variable: 1 })).status, HvStatus.SUCCESS, 'the address space is not looked at');
    g.input(0, 0, 8, 0, 0, 0, 1, 0, 1, 0);
    t.is(g.call(control(flush, { variable: 1 })).status, HvStatus.INVALID_PARAMETER, 'an unknown flag');
    g.input(0, 0, 4, 0, 1, 0);
    t.is(g.call(control(HvCall.FLUSH_VIRTUAL_ADDRESS_SPACE)).status, HvStatus.SUCCESS);
    t.is(g.call(control(HvCall.FLUSH_VIRTUAL_ADDRESS_LIST, { reps: 1 })).status, HvStatus.INVALID_PARAMETER, 'not for lists');
  });

  test(`${tiers}: IPIs come to the VPs named, with vectors that there can be`, (t) => {
    const g = guest(tiers, 'all', 3);
    const { vps, views } = g.machine;
    for (const vp of vps) vp.apicSvr = 0x1ff;
    // A VP that waits for its start may have pulled what was posted, or not.
    const posted = (vp: number, vector: number): boolean =>
      [vps[vp].newIrr, vps[vp].irr].some((at) => ((views.u32[(at >>> 2) + (vector >>> 5)] >>> (vector & 31)) & 1) !== 0);
    const send = (vector: number, mask: bigint, vtl = 0n): number =>
      g.call(control(HvCall.SEND_SYNTHETIC_CLUSTER_IPI, FAST), BigInt(vector) | (vtl << 32n), mask).status;
    t.is(send(0x0f, 2n), HvStatus.INVALID_PARAMETER);
    t.is(send(0x100, 2n), HvStatus.INVALID_PARAMETER);
    t.is(send(0x40, 2n, 1n), HvStatus.INVALID_PARAMETER, 'a trust level that there is not');
    t.false(posted(1, 0x40));
    t.is(send(0x40, 0b110n), HvStatus.SUCCESS);
    t.deepEqual([posted(0, 0x40), posted(1, 0x40), posted(2, 0x40)], [false, true, true]);
    t.is(send(0x41, 1n << 40n), HvStatus.SUCCESS, 'nobody');
    g.input(0x42, 0, 0, 0, 1, 0, 0b10, 0);
    t.is(g.call(control(HvCall.SEND_SYNTHETIC_CLUSTER_IPI_EX, { variable: 1 })).status, HvStatus.SUCCESS);
    t.deepEqual([posted(1, 0x42), posted(2, 0x42)], [true, false]);
  });

  test(`${tiers}: a long list is done in pieces, and the caller sees how far it is`, (t) => {
    // 50 microseconds of this machine: 50,000 cycles, 5 elements.
    const g = new HypervGuest(tiers, 'all', 1, { costs: { hypercallElement: 10_000 } }).enable();
    g.input(0, 0, 1, 0, 0, 0, ...Array.from({ length: 24 }, (_, n) => (n % 2 === 0 ? 0x2_0000 + n * 2048 : 0)));
    const { status, reps, registers } = g.call(control(HvCall.FLUSH_VIRTUAL_ADDRESS_LIST, { reps: 12 }));
    t.is(status, HvStatus.SUCCESS);
    t.is(reps, 12);
    t.is(Number(registers[1] >> 48n), 10, 'the last piece began here');
    const later = g.call(control(HvCall.FLUSH_VIRTUAL_ADDRESS_LIST, { reps: 12, start: 11 }));
    t.deepEqual([later.status, later.reps], [HvStatus.SUCCESS, 12]);
    // An element that is wrong ends the list there: those before it are done, also over pieces.
    g.input(-1, -1, 0, 0, ...Array.from({ length: 24 }, (_, n) => (n === 14 ? 99 : 0)));
    const ids = g.call(control(HvCall.GET_VP_INDEX_FROM_APIC_ID, { reps: 12 }));
    t.deepEqual([ids.status, ids.reps], [HvStatus.INVALID_PARAMETER, 7]);
  });

  test(`${tiers}: starting a VP: who, and in what state`, (t) => {
    const g = guest(tiers, 'all', 2);
    const start = HvCall.START_VIRTUAL_PROCESSOR;
    const status = (...words: number[]): number => {
      g.input(...words, ...Array.from({ length: 60 }, () => 0));
      return g.call(control(start)).status;
    };
    t.is(status(1, 0, 1, 0), HvStatus.INVALID_PARTITION_ID);
    t.is(status(-1, -1, 2, 0), HvStatus.INVALID_VP_INDEX);
    t.is(status(-1, -1, -2, 0), HvStatus.INVALID_VP_STATE, 'itself');
    t.is(status(-1, -1, 1, 1), HvStatus.INVALID_PARAMETER, 'a trust level that there is not');
    g.machine.views.u8[g.machine.host(0)] = 0xf4;
    const context = Array.from({ length: 56 }, () => 0);
    t.is(status(-1, -1, 1, 0, ...context.with(48, 0x8000_0000 | 0)), HvStatus.INVALID_REGISTER_VALUE, 'CR0.PG without PE');
    t.is(status(-1, -1, 1, 0, ...context), HvStatus.SUCCESS, 'real mode');
    t.is(status(-1, -1, 1, 0, ...context), HvStatus.INVALID_VP_STATE, 'it does not wait any more');
  });

  for (const [bits, base, access] of [
    [32, 0, 0x40cf_9b00],
    [16, 0x6_0000, 0x0000_9b00],
  ] as const) {
    test(`${tiers}: ${bits}-bit code has its parameters in pairs of registers`, (t) => {
      const g = guest(tiers);
      const ldt = 0x6_4000;
      const descriptor = (BigInt((access & 0x00ff_ffff) | ((base >>> 16) & 0xff)) << 32n) | (BigInt(base & 0xffff) << 16n) | 0xffffn;
      g.machine.views.u64[g.machine.host(ldt) >>> 3] = bits === 32 ? descriptor : descriptor & ~(0xf0n << 48n);
      const at = 0x6_1000;
      const target = at + 12 - base;
      const offset = target.toString(16).padStart(8, '0').match(/../g)?.reverse().join('');
      const call = (low: number, high: number, input: number): readonly bigint[] => {
        // JMP FAR to the segment of the local table, CALL rBX there: EBX is the high half of the input, so the page is called through a register that is free.
        g.machine.load(`ff2d00000000${offset}0400ffd5`, at);
        return g.machine.run({
          entry: at,
          ldt,
          registers: { 0: low, 2: high, 3: 0, 1: input, 5: HypercallPages.CODE - base, 7: 0, 6: 0 },
        }).registers;
      };
      g.input(0, 0, 1, 0, 1, 0, 0x2_0000, 0, 0x2_1000, 0);
      const flush = call(HvCall.FLUSH_VIRTUAL_ADDRESS_LIST, 2, HypercallPages.INPUT);
      t.deepEqual([flush[0], flush[2]], [0n, 2n], 'status in EAX, elements in EDX');
      const bad = call(HvCall.FLUSH_VIRTUAL_ADDRESS_LIST, 0, HypercallPages.INPUT);
      t.is(bad[0], BigInt(HvStatus.INVALID_HYPERCALL_INPUT));
      t.is(call(HvCall.NOTIFY_LONG_SPIN_WAIT | 0x1_0000, 0, 7)[0], 0n, 'fast');
    });
  }
}
