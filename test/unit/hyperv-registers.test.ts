// The synthetic registers: values after a reset, what may be written, what is refused; time by page and by register; crash reports (TLFS 2.6, 7.8, 12).
import test from 'ava';
import { post } from '../../daemon/hypervisor/apic/post.js';
import { crashReport } from '../../daemon/root/crash-report.js';
import { HvMsr } from '../../shared/abi/hyperv.js';
import { Slot, type VpBlock, VpState } from '../../shared/layout/vp.js';
import { HypervGuest, OS_ID, TIERS } from '../rig/hyperv-guest.js';
import { Kernel } from '../rig/kernel-machine.js';

const GP = 13;
const PAGE = 0x8_0000;
/** Beyond RAM, and beyond what a processor can address. */
const NO_FRAME = 1n << 52n;

for (const tiers of TIERS) {
  test(`${tiers}: what registers hold after a reset, and which may be written`, (t) => {
    const g = new HypervGuest(tiers, 'all', 2);
    const zero = [HvMsr.GUEST_OS_ID, HvMsr.HYPERCALL, HvMsr.RESET, HvMsr.REFERENCE_TSC, HvMsr.VP_ASSIST_PAGE, HvMsr.TSC_INVARIANT_CONTROL];
    for (const register of [...zero, HvMsr.CRASH_P0, HvMsr.CRASH_P0 + 4, HvMsr.VP_INDEX]) t.is(g.read(register), 0n, register.toString(16));
    t.is(g.read(HvMsr.TSC_FREQUENCY), 1_000_000_000n);
    t.true(g.read(HvMsr.APIC_FREQUENCY) > 0n);
    t.is(g.read(HvMsr.CRASH_CTL), 3n << 62n, 'what of it is obeyed');
    const readOnly = [HvMsr.VP_INDEX, HvMsr.VP_RUNTIME, HvMsr.TIME_REF_COUNT, HvMsr.TSC_FREQUENCY, HvMsr.APIC_FREQUENCY, HvMsr.GUEST_IDLE];
    for (const register of readOnly) t.is(g.write(register, 0n), GP, register.toString(16));
    t.is(g.read(HvMsr.EOI), -1n, 'write only');
    t.is(g.write(HvMsr.EOI, 1n << 32n), GP);
    for (const register of [HvMsr.REFERENCE_TSC, HvMsr.VP_ASSIST_PAGE]) t.is(g.write(register, NO_FRAME | 1n), GP, register.toString(16));
    g.write(HvMsr.GUEST_OS_ID, OS_ID);
    t.is(g.write(HvMsr.HYPERCALL, NO_FRAME | 1n), GP);
    t.is(g.write(HvMsr.TSC_INVARIANT_CONTROL, 2n), GP);
    t.is(g.write(HvMsr.TSC_INVARIANT_CONTROL, 1n), -1);
    t.is(g.read(HvMsr.TSC_INVARIANT_CONTROL), 1n);
    for (const register of [0x4000_0004, 0x4000_001f, 0x4000_0106, 0x4000_0114, 0x4000_0fff])
      t.is(g.read(register), -1n, register.toString(16));
  });

  test(`${tiers}: a register whose feature the partition has not is #GP, the others stay`, (t) => {
    const behind: readonly [string, number][] = [
      ['vp-runtime', HvMsr.VP_RUNTIME],
      ['time-ref-count', HvMsr.TIME_REF_COUNT],
      ['apic-msrs', HvMsr.VP_ASSIST_PAGE],
      ['hypercall-msrs', HvMsr.HYPERCALL],
      ['vp-index', HvMsr.VP_INDEX],
      ['reset', HvMsr.RESET],
      ['ref-tsc', HvMsr.REFERENCE_TSC],
      ['frequency-msrs', HvMsr.TSC_FREQUENCY],
      ['crash-msrs', HvMsr.CRASH_CTL],
      ['tsc-invariant', HvMsr.TSC_INVARIANT_CONTROL],
    ];
    for (const [feature] of behind) {
      const g = new HypervGuest(tiers, `all,-${feature}`);
      for (const [other, register] of behind) t.is(g.read(register) === -1n, other === feature, `${other} without ${feature}`);
    }
  });

  test(`${tiers}: the lock keeps the hypercall page and the identity's end from it`, (t) => {
    const g = new HypervGuest(tiers).enable();
    const { HYPERCALL, GUEST_OS_ID } = HvMsr;
    g.write(HYPERCALL, BigInt(PAGE) | 3n);
    t.is(g.write(HYPERCALL, 0n), GP);
    g.write(GUEST_OS_ID, 0n);
    t.is(g.read(HYPERCALL), BigInt(PAGE) | 3n);
  });

  test(`${tiers}: page and register tell the same time, and running time goes on`, (t) => {
    const g = new HypervGuest(tiers);
    g.write(HvMsr.REFERENCE_TSC, BigInt(PAGE) | 1n);
    // RDTSC, RDMSR, RDTSC: the first counter in R8, the register in R9, the second counter in R10; the page in R11, R12, R13.
    const reading = `0f3148c1e2204809c24989d0 b920000040 0f3248c1e2204809c24989d1 0f3148c1e2204809c24989d2 448b1e 4c8b6608 4c8b6e10`;
    let last = 0n;
    for (let round = 0; round < 50; round++) {
      g.machine.load(reading);
      const { registers } = g.machine.run({ registers: { 6: PAGE } });
      const [before, now, after, sequence, scale, offset] = registers.slice(8, 14);
      t.not(sequence & 0xffff_ffffn, 0n);
      const at = (tsc: bigint): bigint => ((tsc * scale) >> 64n) + BigInt.asIntN(64, offset);
      t.true(at(before) <= now && now <= at(after), `${at(before)} ${now} ${at(after)}`);
      t.true(now >= last);
      last = now;
    }
    const ran = g.read(HvMsr.VP_RUNTIME);
    t.true(g.read(HvMsr.VP_RUNTIME) >= ran);
  });

  test(`${tiers}: an interrupt that EOI, TPR or ICR lets come comes before the next instruction`, (t) => {
    const ways: readonly [string, number, bigint, (vp: VpBlock) => void][] = [
      [
        'TPR',
        HvMsr.TPR,
        0n,
        (vp) => {
          vp.apicTpr = 0x50;
          post(vp, 0x45, false);
        },
      ],
      [
        'EOI',
        HvMsr.EOI,
        0n,
        (vp) => {
          vp.views.u32[(vp.isr >>> 2) + (0x55 >>> 5)] |= 1 << (0x55 & 31);
          post(vp, 0x45, false);
        },
      ],
      ['ICR, to itself', HvMsr.ICR, 0x45n, () => undefined],
    ];
    for (const [name, register, value, before] of ways) {
      const { machine } = new HypervGuest(tiers);
      machine.vp.apicSvr = 0x1ff;
      before(machine.vp);
      machine.load('0f30 ffc6 ffc6'); // WRMSR; INC ESI, twice
      const { vector, rip } = machine.run({ flags: 0x200, registers: { [Slot.RCX]: register, [Slot.RAX]: value } });
      t.deepEqual([vector, rip], [0x45, Kernel.CODE + 2], name);
    }
  });

  test(`${tiers}: GUEST_IDLE waits for an interrupt that RFLAGS.IF keeps out`, (t) => {
    const { machine } = new HypervGuest(tiers);
    const { vp } = machine;
    vp.apicSvr = 0x1ff;
    machine.load('0f32bf01000000'); // RDMSR; MOV EDI, 1; HLT
    const idle = (): void => machine.prepare(0, { registers: { [Slot.RCX]: HvMsr.GUEST_IDLE, [Slot.RAX]: 5, [Slot.RDX]: 5 } });
    const at = (): number => Number(machine.slot(Slot.RIP)) - Kernel.CODE;
    idle();
    machine.go();
    t.deepEqual([vp.state, at()], [VpState.HALTED, 2]);
    t.deepEqual([machine.slot(Slot.RAX), machine.slot(Slot.RDX)], [0n, 0n]);
    post(vp, 0x40, false);
    machine.go();
    t.deepEqual([at(), machine.slot(Slot.RDI)], [8, 1n], 'it went on without taking the interrupt');
    idle();
    machine.go();
    t.is(at(), 8, 'one that waits already is enough');
  });

  test(`${tiers}: a crash is kept with what the guest says of it`, (t) => {
    const g = new HypervGuest(tiers);
    const { views } = g.machine;
    t.is(crashReport(views), null);
    for (let n = 0; n < 5; n++) g.write(HvMsr.CRASH_P0 + n, BigInt(0x100 + n));
    g.write(HvMsr.CRASH_CTL, 0n);
    t.is(crashReport(views), null, 'not notified');
    g.write(HvMsr.CRASH_CTL, 5n << 61n);
    t.deepEqual(crashReport(views), {
      times: 1,
      vp: 0,
      parameters: ['0x100', '0x101', '0x102', '0x103', '0x104'],
      noDump: true,
      message: '',
    });
    const text = 'Kernel panic:\n\x1b[2J not syncing';
    views.u8.set(new TextEncoder().encode(text), g.machine.host(PAGE + 0xff8));
    g.write(HvMsr.CRASH_P0 + 3, BigInt(PAGE + 0xff8));
    g.write(HvMsr.CRASH_P0 + 4, BigInt(text.length));
    g.write(HvMsr.CRASH_CTL, 3n << 62n);
    t.like(crashReport(views), { times: 2, noDump: false, message: 'Kernel panic:\n?[2J not syncing' });
    for (const [address, bytes] of [
      [-1n, 10n],
      [NO_FRAME, 4096n],
      [BigInt(PAGE), 4097n],
      [0n, -1n],
    ]) {
      g.write(HvMsr.CRASH_P0 + 3, BigInt.asUintN(64, address));
      g.write(HvMsr.CRASH_P0 + 4, BigInt.asUintN(64, bytes));
      t.is(g.write(HvMsr.CRASH_CTL, 3n << 62n), -1);
      t.is(crashReport(views)?.message, '', `${address} ${bytes}`);
    }
  });
}
