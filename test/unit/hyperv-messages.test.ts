// Posting and signalling as guests do it: every status, registers of the controller by RDMSR and WRMSR, slots that are overlays, in both tiers (TLFS 11).
import test from 'ava';
import { HvCall, HvMsr, HvStatus } from '../../shared/abi/hyperv.js';
import { EVENT_FLAGS_BYTES, Message, Sint, StimerConfig, SynicMsr } from '../../shared/abi/synic.js';
import { VmbusMessage } from '../../shared/abi/vmbus.js';
import { writePorts } from '../../shared/hyperv/partition-ports.js';
import { Slot } from '../../shared/layout/vp.js';
import { control, HypercallPages, HypervGuest, TIERS, type Tier } from '../rig/hyperv-guest.js';

const PAGES = { MESSAGES: 0x8_0000, FLAGS: 0x8_1000 } as const;
const SINT = 5;
const VECTOR = 0x71;
const POST = control(HvCall.POST_MESSAGE);
const SIGNAL = control(HvCall.SIGNAL_EVENT, { fast: true });
const GP = 13;

const PORTS = {
  ports: [
    { id: 10, sint: SINT, vp: 0 },
    { id: 20, sint: SINT, vp: 0, flags: 8, firstFlag: 40 },
    { id: 30, sint: SINT, vp: 'any' },
  ],
  connections: [
    { id: 1000, port: 10 },
    { id: 2000, port: 20 },
    { id: 3000, port: 30 },
    { id: 4000, port: 40 },
    { id: 5000, vm: 'nobody', port: 10 },
    { id: 6000, vm: 'kernel', port: 10 },
  ],
} as const;

const guest = (tiers: Tier, hv = 'all'): HypervGuest => {
  const g = new HypervGuest(tiers, hv);
  writePorts(g.machine.views, PORTS);
  return g.enable();
};
/** A controller with both pages, and the SINT as given. */
const ready = (g: HypervGuest, sint: number = VECTOR): HypervGuest => {
  for (const [msr, value] of [
    [SynicMsr.SCONTROL, 1],
    [SynicMsr.SIMP, PAGES.MESSAGES | 1],
    [SynicMsr.SIEFP, PAGES.FLAGS | 1],
    [SynicMsr.SINT0 + SINT, sint],
  ] as const)
    g.write(msr, BigInt(value));
  return g;
};
const post = (g: HypervGuest, connection: number, type = 1, size = 4, word = 0x5555): number => {
  g.input(connection, 0, type, size, word);
  return g.call(POST).status;
};
/** What VP 0 reads at an address. */
const load = (g: HypervGuest, gpa: number): number => {
  g.machine.load('8b03'); // mov eax, [rbx]
  return Number(g.machine.run({ registers: { [Slot.RBX]: gpa } }).registers[Slot.RAX]);
};
const store = (g: HypervGuest, gpa: number, value: number): void => {
  g.machine.load('890b'); // mov [rbx], ecx
  g.machine.run({ registers: { [Slot.RBX]: gpa, [Slot.RCX]: value } });
};
const SLOT = PAGES.MESSAGES + SINT * Message.BYTES;

for (const tiers of TIERS) {
  test(`${tiers}: a message comes into its slot, which is an overlay page, and interrupts`, (t) => {
    const g = ready(guest(tiers));
    store(g, 0x8_0000 - 4, 0x1234_5678);
    t.is(post(g, 1000, 7, 4, 0xabcd), HvStatus.SUCCESS);
    t.is(load(g, SLOT), 7);
    t.is(load(g, SLOT + Message.SIZE), 4);
    t.is(load(g, SLOT + Message.ORIGIN), 10, 'the number of the port');
    t.is(load(g, SLOT + Message.PAYLOAD), 0xabcd);
    t.is(g.machine.views.u32[g.machine.host(SLOT) >>> 2], 0, 'the RAM beneath is untouched');
    // The slot is emptied, the interrupt ended: nothing waits.
    t.is(post(g, 6000, 8), HvStatus.SUCCESS, 'a connection to the partition by its name');
    t.is(load(g, SLOT + Message.SIZE), 4 | 0x100, 'the reader is told of the second one');
    store(g, SLOT, 0);
    t.is(load(g, SLOT), 0);
    g.write(SynicMsr.EOM, 0n);
    t.is(load(g, SLOT), 8);
  });

  test(`${tiers}: what is wrong with a message or an event is said by the status`, (t) => {
    const g = guest(tiers);
    t.is(post(g, 1000), HvStatus.INVALID_SYNIC_STATE, 'the controller is not enabled');
    t.is(g.call(SIGNAL, 2000).status, HvStatus.INVALID_SYNIC_STATE);
    t.is(post(g, 3000), HvStatus.INVALID_SYNIC_STATE, 'no VP can take it');
    ready(g);
    t.is(post(g, 77), HvStatus.INVALID_CONNECTION_ID);
    t.is(post(g, 0xffff_ffff), HvStatus.INVALID_CONNECTION_ID);
    t.is(post(g, 5000), HvStatus.INVALID_CONNECTION_ID, 'nobody of that name');
    t.is(post(g, 4000), HvStatus.INVALID_PORT_ID, 'no such port');
    t.is(post(g, 2000), HvStatus.INVALID_PORT_ID, 'an event port');
    t.is(post(g, 1000, 0), HvStatus.INVALID_PARAMETER, 'type 0 is an empty slot');
    t.is(post(g, 1000, 0x8000_0010), HvStatus.INVALID_PARAMETER, "the hypervisor's own types");
    t.is(post(g, 1000, 1, 241), HvStatus.INVALID_PARAMETER, 'too long');
    g.input(1000, 1, 1, 4);
    t.is(g.call(POST).status, HvStatus.INVALID_HYPERCALL_INPUT, 'reserved');
    t.is(g.call(control(HvCall.POST_MESSAGE, { reps: 1 })).status, HvStatus.INVALID_HYPERCALL_INPUT, 'no list');
    t.is(g.call(control(HvCall.POST_MESSAGE, { fast: true })).status, HvStatus.INVALID_HYPERCALL_INPUT, 'more than registers hold');
    t.is(g.call(POST, HypercallPages.INPUT + 4).status, HvStatus.INVALID_ALIGNMENT);
    t.is(g.call(POST, HypercallPages.INPUT + 0xf08).status, HvStatus.INVALID_ALIGNMENT, 'over the end of the page');
    t.is(g.call(POST, 1n << 50n).status, HvStatus.INVALID_ALIGNMENT, 'beyond memory');
    t.is(g.call(SIGNAL, 1000).status, HvStatus.INVALID_PORT_ID, 'a message port');
    t.is(g.call(SIGNAL, 2000n | (8n << 32n)).status, HvStatus.INVALID_PARAMETER, "a flag that is not the port's");
    t.is(g.call(SIGNAL, 2000n | (1n << 48n)).status, HvStatus.INVALID_HYPERCALL_INPUT, 'reserved');
    t.is(g.call(SIGNAL, 2000n | (7n << 32n)).status, HvStatus.SUCCESS);
    t.is(load(g, PAGES.FLAGS + SINT * EVENT_FLAGS_BYTES + 4), 1 << 15, 'flag 40 + 7');
    g.write(SynicMsr.SINT0 + SINT, BigInt(Sint.MASKED | VECTOR));
    t.is(g.call(SIGNAL, 2000).status, HvStatus.INVALID_SYNIC_STATE, 'masked');
  });

  test(`${tiers}: sixteen messages of a port wait, beside the one in its slot`, (t) => {
    const g = ready(guest(tiers), VECTOR | Sint.MASKED);
    for (let n = 1; n <= 17; n++) t.is(post(g, 1000, n), HvStatus.SUCCESS, String(n));
    t.is(post(g, 1000, 18), HvStatus.INSUFFICIENT_BUFFERS);
    t.is(post(g, 3000, 19), HvStatus.SUCCESS, 'another port has buffers of its own');
    for (let n = 1; n <= 17; n++) {
      t.is(load(g, SLOT), n);
      t.is(load(g, SLOT + Message.SIZE) >>> 8, 1);
      store(g, SLOT, 0);
      g.write(SynicMsr.EOM, 0n);
    }
    t.is(load(g, SLOT), 19);
    t.is(load(g, SLOT + Message.SIZE) >>> 8, 0, 'the last one');
  });

  test(`${tiers}: registers that the partition was not told of, and values that cannot be, are #GP`, (t) => {
    const without = new HypervGuest(tiers, 'linux,-synic,-synthetic-timers');
    for (const msr of [SynicMsr.SCONTROL, SynicMsr.EOM, SynicMsr.SINT0, SynicMsr.STIMER0_CONFIG]) {
      t.is(without.read(msr), -1n);
      t.is(without.write(msr, 0n), GP);
    }
    const g = guest(tiers);
    for (const [msr, value] of [
      [SynicMsr.SVERSION, 1n],
      [SynicMsr.SINT0, 15n],
      [SynicMsr.SIMP, (1n << 52n) | 1n],
      [SynicMsr.SIEFP, (1n << 63n) | 1n],
      [SynicMsr.SINT15 + 1, 0n],
      [SynicMsr.STIMER3_COUNT + 1, 0n],
    ] as const)
      t.is(g.write(msr, value), GP, msr.toString(16));
    t.is(g.read(SynicMsr.SINT0), BigInt(Sint.RESET));
    t.is(g.read(SynicMsr.SVERSION), 1n);
  });

  test(`${tiers}: pages that overlap each other and the hypercall page: the lower number is seen, and messages go on in theirs`, (t) => {
    const g = ready(guest(tiers));
    g.write(SynicMsr.SIEFP, BigInt(PAGES.MESSAGES) | 1n);
    t.is(post(g, 1000, 7), HvStatus.SUCCESS);
    t.is(load(g, SLOT), 0, 'the event-flag page covers the message page');
    g.write(SynicMsr.SIEFP, 0n);
    t.is(load(g, SLOT), 7);
    g.write(SynicMsr.SIMP, BigInt(HypercallPages.CODE) | 1n);
    t.is(load(g, HypercallPages.CODE), 0xc3c1_010f, 'the hypercall page goes before');
    t.is(post(g, 1000, 8), HvStatus.SUCCESS);
    g.write(SynicMsr.SIMP, 0xffff_f000n | 1n);
    t.is(post(g, 1000, 9), HvStatus.SUCCESS, 'a page where there is no RAM');
  });

  test(`${tiers}: a timer's message comes no earlier than the time that it names`, (t) => {
    const g = ready(guest(tiers));
    const due = g.read(HvMsr.TIME_REF_COUNT) + 50n;
    g.write(SynicMsr.STIMER0_CONFIG, (BigInt(SINT) << StimerConfig.SINT_SHIFT) | StimerConfig.AUTO_ENABLE);
    g.write(SynicMsr.STIMER0_CONFIG + 1, due);
    t.is(load(g, SLOT), 0);
    g.machine.go(true);
    t.is(g.machine.views.u32[(g.machine.vp.newIrr >>> 2) + (VECTOR >>> 5)], 0, 'no interrupt where the local APIC takes none');
    t.true(g.read(HvMsr.TIME_REF_COUNT) >= due);
    t.is(load(g, SLOT) >>> 0, 0x8000_0010);
    t.is(load(g, SLOT + Message.PAYLOAD + 8), Number(due));
    t.is(g.read(SynicMsr.STIMER0_CONFIG) & StimerConfig.ENABLE, 0n, 'one shot');
  });

  test(`${tiers}: a bus that agrees on a version, offers nothing and lets go`, (t) => {
    const g = ready(guest(tiers), VECTOR | Sint.MASKED);
    g.write(SynicMsr.SINT0 + 2, BigInt(Sint.MASKED));
    const slot = PAGES.MESSAGES + 2 * Message.BYTES;
    const ask = (connection: number, ...words: number[]): number[] => {
      g.input(connection, 0, 1, words.length * 4, ...words);
      t.is(g.call(POST).status, HvStatus.SUCCESS);
      const answer = [load(g, slot), ...[0, 8, 12].map((at) => load(g, slot + Message.PAYLOAD + at))];
      store(g, slot, 0);
      g.write(SynicMsr.EOM, 0n);
      return answer;
    };
    t.deepEqual(ask(4, VmbusMessage.INITIATE_CONTACT, 0, 0x5_0003, 0, 2), [1, VmbusMessage.VERSION_RESPONSE, 1, 4]);
    t.deepEqual(ask(4, VmbusMessage.REQUEST_OFFERS, 0).slice(0, 2), [1, VmbusMessage.ALL_OFFERS_DELIVERED]);
    t.deepEqual(ask(4, VmbusMessage.UNLOAD, 0).slice(0, 2), [1, VmbusMessage.UNLOAD_RESPONSE]);
    t.is(ask(1, VmbusMessage.INITIATE_CONTACT, 0, 0x9_0000, 0, 2)[2], 0, 'a version of the future is refused');
  });
}
