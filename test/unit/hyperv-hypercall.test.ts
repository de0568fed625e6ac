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
      const unknown = code === HvCall.POST_MESSAGE || code === HvCall.SIGNAL_EVENT;
      if (code === HvCall.NOTIFY_LONG_SPIN_WAIT) t.is(status, HvStatus.INVALID_HYPERCALL_INPUT);
      else t.is(status, unknown ? HvStatus.INVALID_HYPERCALL_CODE : HvStatus.ACCESS_DENIED, name);
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
}
