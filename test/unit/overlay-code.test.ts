// Guests that run code from overlay pages while the hypervisor writes there or moves them: the very next instruction is made of what is there now (SDM 3A 9.1.3; an intercept
// serializes), in both tiers. Without the hypervisor's word to the code watch old code would be run.
import test from 'ava';
import { Overlays } from '../../daemon/hypervisor/hyperv/overlays.js';
import { HvMsr } from '../../shared/abi/hyperv.js';
import { SynicMsr } from '../../shared/abi/synic.js';
import { Slot } from '../../shared/layout/vp.js';
import { HypercallPages, HypervGuest, TIERS, type Tier } from '../rig/hyperv-guest.js';
import { Kernel, type Stop } from '../rig/kernel-machine.js';

const PAGE = 0x6_4000;
const APIC = 0x9_0000;
/** A gate of the kernel machine has 16 bits of it. */
const HANDLER = 0xe000;
const VECTOR = 0x71;
const GP = 13;
const BP = 3;
const WRMSR = '0f30';
const IF = 0x200;
const NO_ADDRESS = 1n << 63n;

const wrmsr = (msr: number, value: bigint): { [register: number]: bigint } => ({
  [Slot.RCX]: BigInt(msr),
  [Slot.RAX]: value & 0xffff_ffffn,
  [Slot.RDX]: value >> 32n,
});
/** WRMSR as the last instruction before the page: the next one is its first. */
const intoPage = ({ machine }: HypervGuest, msr: number, value: bigint, high = 0n): Stop => {
  machine.load(WRMSR, PAGE - 2);
  const registers = wrmsr(msr, value);
  return machine.run({ entry: PAGE - 2, registers: { ...registers, [Slot.RAX]: registers[Slot.RAX] | high } });
};

/** MOV DWORD [RBX], code: MOV AL, 5; RET, and with the marker of lazy EOI in its first bit MOV CL, 5; RET. */
const PUT_CODE = 'c703b005c390';
/**
 * In an interrupt's handler: the page is called, the marker stands; then `end` is run as the last instruction before the page, and the page once more. Low bytes of ECX and EAX: 5 where its code
 * was as with the marker, and as without.
 */
const runInHandler = (tier: Tier, end: string): { marked: bigint; plain: bigint } => {
  const g = new HypervGuest(tier).enable();
  const { machine } = g;
  machine.policy('apic.eoi', 'assist');
  machine.pte = { page: APIC, value: 0xfee0_0013n };
  g.write(HvMsr.VP_ASSIST_PAGE, BigInt(PAGE) | 1n);
  machine.load(`c786f0000000ff010000${PUT_CODE}`); // mov dword [rsi + SVR], 0x1ff
  machine.run({ registers: { [Slot.RSI]: APIC, [Slot.RBX]: PAGE } });
  machine.gate(VECTOR, HANDLER);
  // xor ecx, ecx; call rbx; push rcx; mov ecx, EOI; xor eax, eax; xor edx, edx; lea rdi, [rbx - length]; call rdi; pop rcx
  const length = end.length / 2;
  machine.load(`31c9ffd351b97000004031c031d2488d7b${(256 - length).toString(16)}ffd759`, HANDLER);
  machine.load(end, PAGE - length);
  machine.load('0f30eb00ebfe'); // wrmsr; jmp $ + 2; jmp $
  const { registers } = machine.run({
    flags: IF,
    registers: { ...wrmsr(HvMsr.ICR, BigInt(VECTOR | (1 << 18))), [Slot.RSI]: APIC, [Slot.RBX]: PAGE },
  });
  return { marked: registers[Slot.RCX] & 0xffn, plain: registers[Slot.RAX] & 0xffn };
};
/** Ends of an interrupt. */
const ENDS = { 'the APIC page': '8986b0000000', 'an MSR': WRMSR } as const;

const enableAgain = (tier: Tier): Stop => {
  const g = new HypervGuest(tier).enable();
  const { machine } = g;
  g.write(HvMsr.VP_ASSIST_PAGE, BigInt(PAGE) | 1n);
  machine.load('c703f4f4f4f4ffd3'); // mov dword [rbx], HLT...; call rbx: it ends there
  machine.run({ registers: { [Slot.RBX]: PAGE } });
  // The word is 0 from here on: ADD [RAX], AL, and RAX is no address. WRMSR looks at its low half only.
  return intoPage(g, HvMsr.VP_ASSIST_PAGE, BigInt(PAGE) | 1n, NO_ADDRESS);
};
const publish = (tier: Tier, times: number): { g: HypervGuest; stops: Stop[] } => {
  const g = new HypervGuest(tier).enable();
  g.machine.load('f4', PAGE);
  return { g, stops: Array.from({ length: times }, () => intoPage(g, HvMsr.REFERENCE_TSC, BigInt(PAGE) | 1n)) };
};

for (const tier of TIERS) {
  for (const [by, code] of Object.entries(ENDS))
    test.serial(`${tier}: code under the marker of lazy EOI is what it is without the marker once it is taken away, by ${by}`, (t) => {
      t.deepEqual(runInHandler(tier, code), { marked: 5n, plain: 5n });
    });

  test.serial(`${tier}: code where enabling the assist page writes is made of zeros afterwards`, (t) => {
    const { vector, rip } = enableAgain(tier);
    t.deepEqual({ vector, rip }, { vector: GP, rip: PAGE });
  });

  // Sequence 1 as code: ADD [RAX], EAX, a write to the page: #GP. Sequence 2: ADD AL, [RAX], and the zeros behind it: ADD [RAX], AL. Sequence 0: that at once.
  test.serial(`${tier}: a sequence number of the reference TSC page that is run as code is the one that was published last`, (t) => {
    const { g, stops } = publish(tier, 2);
    t.deepEqual(
      stops.map(({ vector, rip }) => ({ vector, rip })),
      [
        { vector: GP, rip: PAGE },
        { vector: GP, rip: PAGE + 2 },
      ],
    );
    const moved = intoPage(g, 0x10, BigInt(PAGE) | 1n);
    t.deepEqual({ vector: moved.vector, rip: moved.rip }, { vector: GP, rip: PAGE }, 'the counter was written: the page is invalid');
  });

  test.serial(`${tier}: a guest that has the page under its feet covered goes on in the overlay, and in RAM when it is taken away`, (t) => {
    const g = new HypervGuest(tier);
    const { machine } = g;
    g.write(HvMsr.GUEST_OS_ID, 1n);
    machine.load(`${WRMSR}f4`, PAGE + 0x800);
    const covered = machine.run({ entry: PAGE + 0x800, registers: wrmsr(HvMsr.HYPERCALL, BigInt(PAGE) | 1n) });
    t.deepEqual({ vector: covered.vector, rip: covered.rip }, { vector: BP, rip: PAGE + 0x803 });
    g.write(HvMsr.HYPERCALL, 0n);

    g.write(SynicMsr.SIMP, BigInt(PAGE) | 1n);
    machine.load('c783000800000f300f0b'); // mov dword [rbx + 0x800], WRMSR; UD2
    machine.run({ registers: { [Slot.RBX]: PAGE } });
    const bare = machine.run({ entry: PAGE + 0x800, registers: wrmsr(SynicMsr.SIMP, 0n) });
    t.deepEqual({ vector: bare.vector, rip: bare.rip }, { vector: -1, rip: PAGE + 0x802 });
  });
}

test.serial('none of what the hypervisor writes would be seen if the code watch were not told', (t) => {
  const { store } = Overlays.prototype;
  Overlays.prototype.store = (_address, _bytes, put) => put();
  try {
    for (const tier of TIERS) {
      for (const code of Object.values(ENDS)) t.not(runInHandler(tier, code).plain, 5n);
      t.is(enableAgain(tier).vector, -1);
      t.is(publish(tier, 2).stops[1]?.rip, PAGE);
    }
  } finally {
    Overlays.prototype.store = store;
  }
});

test('the pages are where the kernel machine has nothing of its own', (t) => {
  t.true(PAGE - 4096 > HypercallPages.CODE && PAGE < HypercallPages.INPUT && HANDLER > Kernel.STACK_TOP && HANDLER < Kernel.CODE);
});
