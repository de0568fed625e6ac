// The races of the synthetic interrupt controller: a guest that reads its message slots and event flags, and LPs that fill them meanwhile.
// The guest does what the TLFS recommends (11.10.3): copy, type := 0, look at flags.pending, EOM; it sleeps until it is interrupted and never looks without cause,
// so that whatever gets stuck is a deadlock.
import { type OpenPort, type PortSpec, Ports } from '../../daemon/hypervisor/synic/ports.js';
import { SYNIC_PARTS, Synic } from '../../daemon/hypervisor/synic/synic.js';
import { SynicRegisterFile } from '../../daemon/hypervisor/synic/synic-registers.js';
import type { SharedWords } from '../../daemon/machine/shared-words.js';
import { HvStatus } from '../../shared/abi/hyperv.js';
import { EVENT_FLAGS_BYTES, MESSAGE_PENDING_WORD, Message, Sint, SynicMsr } from '../../shared/abi/synic.js';
import { PartitionMap } from '../../shared/layout/partition.js';
import { ALL_BUFFERS_FREE, PortKind, PortLayout, portAt, powerUpSynic, SynicLayout, synicAt } from '../../shared/layout/synic.js';
import type { Scenario, ScenarioThread } from './scenario.js';
import { type SmallMachine, spaOf } from './small-machine.js';

const SINT = 2;
const VECTOR = 0x40;
const PORT_ID = 7;
const MESSAGES_PAGE = spaOf(20);
const EVENTS_PAGE = spaOf(21);
const SLOT = MESSAGES_PAGE + SINT * Message.BYTES;
const FLAGS = EVENTS_PAGE + SINT * EVENT_FLAGS_BYTES;
/** Words that only the scenario uses: interrupts raised, messages and events that the guest has seen. */
const INTERRUPTS = PartitionMap.DEVICES;
const SEEN = PartitionMap.DEVICES + 64;
const SEEN_MAX = 8;
const NOTE = PartitionMap.DEVICES + 128;
/** So many messages have been accepted, beyond this number, and no more come. */
const DONE = 100;
/** The slot of a page at address 0. */
const NOWHERE = SINT * Message.BYTES;

const MESSAGE_PORT: PortSpec = { id: PORT_ID, kind: PortKind.MESSAGE, sint: SINT, vp: 0 };
const EVENT_PORT: PortSpec = { id: PORT_ID, kind: PortKind.EVENT, sint: SINT, vp: 0, flagCount: 32 };

interface Controller {
  readonly words: SharedWords;
  readonly ports: Ports;
  readonly synic: Synic;
  readonly registers: SynicRegisterFile;
}
const controllers = new WeakMap<ScenarioThread, Controller>();
const prepare = (thread: ScenarioThread): void => {
  const { words, machine } = thread;
  const ports = new (thread.synic?.Ports ?? Ports)(machine.partition, words);
  const host = {
    vpCount: 1,
    polling: true,
    raise: () => void words.add(INTERRUPTS, 1),
    alwaysPending: () => false,
    store: (_address: number, _bytes: number, put: () => void): void => put(),
  };
  const synic = new (thread.synic?.Synic ?? Synic)(machine.partition, words, ports, host, thread.synic?.parts ?? SYNIC_PARTS);
  const registers = new SynicRegisterFile(machine.partition, synic, [], {
    overlay: (_vp, _page, register) => (register === 0n ? 0 : MESSAGES_PAGE),
    vectorsChanged() {},
    moment: () => ({ now: 0, reference: 0n }),
  });
  controllers.set(thread, { words, ports, synic, registers });
};
const of = (thread: ScenarioThread): Controller => controllers.get(thread) as Controller;

const setup =
  (...ports: PortSpec[]) =>
  (m: SmallMachine): void => {
    const { partition } = m;
    powerUpSynic(partition);
    partition.i32.fill(0, INTERRUPTS >>> 2, (NOTE + 64) >>> 2);
    const at = synicAt(0);
    partition.i32[(at + SynicLayout.at.enabled) >>> 2] = 1;
    partition.i32[(at + SynicLayout.at.messagePage) >>> 2] = MESSAGES_PAGE;
    partition.i32[(at + SynicLayout.at.eventPage) >>> 2] = EVENTS_PAGE;
    partition.i32[(at + SynicLayout.at.sints + SINT * 8) >>> 2] = VECTOR;
    ports.forEach((port, index) => {
      const at = portAt(index);
      const { i32 } = partition;
      i32[(at + PortLayout.at.id) >>> 2] = port.id;
      i32[(at + PortLayout.at.kind) >>> 2] = port.kind;
      i32[(at + PortLayout.at.sint) >>> 2] = port.sint;
      i32[(at + PortLayout.at.flagCount) >>> 2] = port.flagCount ?? 0;
      i32[(at + PortLayout.at.state) >>> 2] = 1;
    });
  };

const found = (thread: ScenarioThread, id: number): OpenPort => of(thread).ports.find(id) as OpenPort;
const post = (thread: ScenarioThread, port: OpenPort, ...values: number[]): void => {
  for (const value of values) {
    const status = of(thread).synic.post(port, 1, new Uint8Array(Uint32Array.of(value).buffer));
    if (status !== HvStatus.SUCCESS) throw new Error(`message ${value} was refused: ${status}`);
  }
};

/** Takes what is in the slot; 0: nothing. */
const take = ({ words, synic }: Controller): number => {
  if (words.load(SLOT + Message.TYPE) === 0) return 0;
  const value = words.read(SLOT + Message.PAYLOAD);
  words.store(SLOT + Message.TYPE, 0);
  if ((words.load(SLOT + Message.SIZE) & MESSAGE_PENDING_WORD) !== 0) synic.endOfMessage(0);
  return value;
};
/** Until it has seen so many messages; `already`: interrupts that it has answered. */
const guest = (thread: ScenarioThread, messages: number): void => {
  const controller = of(thread);
  const { words } = controller;
  for (let seen = 0, answered = 0; seen < messages; ) {
    words.awaitChange(INTERRUPTS, answered);
    answered = words.load(INTERRUPTS);
    for (let value = take(controller); value !== 0; value = take(controller)) thread.machine.partition.i32[(SEEN >>> 2) + seen++] = value;
  }
};
const seen = (m: SmallMachine): number[] =>
  [...m.partition.i32.subarray(SEEN >>> 2, (SEEN >>> 2) + SEEN_MAX)].filter((value) => value !== 0);
const inOrder =
  (...expected: number[]) =>
  (m: SmallMachine): string | null => {
    const got = seen(m);
    if (got.join() !== expected.join()) return `the guest has seen ${got.join(' ')} and must see ${expected.join(' ')}`;
    return leftovers(m);
  };
const leftovers = (m: SmallMachine): string | null => {
  const waiting = m.partition.i32[(synicAt(0) + SynicLayout.at.waiting) >>> 2];
  if (waiting !== 0) return `messages wait for SINTs ${waiting.toString(2)} and nobody will ever look`;
  const free = m.partition.i32[(portAt(0) + PortLayout.at.free) >>> 2];
  return free === ALL_BUFFERS_FREE ? null : `buffers of the port are lost: ${free.toString(2)} are free`;
};

export const SYNIC_SCENARIOS: readonly Scenario[] = [
  {
    name: 'messages against a guest that empties its slot',
    spts: 16,
    setup: setup(MESSAGE_PORT),
    prepare,
    threads: [(t) => guest(t, 3), (t) => post(t, found(t, PORT_ID), 11, 12, 13)],
    check: inOrder(11, 12, 13),
  },
  {
    name: 'two posters against a guest that empties its slot',
    spts: 16,
    setup: setup(MESSAGE_PORT),
    prepare,
    threads: [(t) => guest(t, 4), (t) => post(t, found(t, PORT_ID), 11, 12), (t) => post(t, found(t, PORT_ID), 21, 22)],
    check: (m) => {
      const got = seen(m);
      const ofOne = got.filter((value) => value < 20).join();
      const ofOther = got.filter((value) => value > 20).join();
      if (ofOne !== '11,12' || ofOther !== '21,22') return `the guest has seen ${got.join(' ')}: not all, or not in the order of a poster`;
      return leftovers(m);
    },
  },
  {
    name: 'EOM against a message',
    spts: 16,
    setup: setup(MESSAGE_PORT),
    prepare: (t) => {
      prepare(t);
      // One in the slot and one behind it, of which the guest has been told.
      if (t.index === 0) post(t, found(t, PORT_ID), 11, 12);
    },
    threads: [(t) => guest(t, 3), (t) => post(t, found(t, PORT_ID), 13)],
    check: inOrder(11, 12, 13),
  },
  {
    name: 'a message against a guest that polls its slot',
    spts: 16,
    setup: (m) => {
      setup(MESSAGE_PORT)(m);
      m.partition.i32[(synicAt(0) + SynicLayout.at.sints + SINT * 8) >>> 2] = VECTOR | Sint.POLLING;
    },
    prepare,
    threads: [
      (t) => {
        of(t).words.awaitChange(SLOT + Message.TYPE, 0);
        t.machine.partition.i32[SEEN >>> 2] = take(of(t));
      },
      (t) => post(t, found(t, PORT_ID), 11),
    ],
    check: (m) => (m.partition.i32[INTERRUPTS >>> 2] === 0 ? inOrder(11)(m) : 'a SINT that is polled has interrupted'),
  },
  {
    name: 'event flags against a guest that clears them',
    spts: 16,
    setup: setup(EVENT_PORT),
    prepare,
    threads: [
      (t) => {
        const { words } = of(t);
        const counts = t.machine.partition.i32.subarray(SEEN >>> 2, (SEEN >>> 2) + 2);
        for (let answered = 0; counts[0] === 0 || counts[1] === 0; ) {
          words.awaitChange(INTERRUPTS, answered);
          answered = words.load(INTERRUPTS);
          // Flag by flag, as a guest with locked instructions on single bits.
          for (const flag of [0, 1]) if ((words.and(FLAGS, ~(1 << flag)) >>> flag) & 1) counts[flag]++;
        }
      },
      (t) => {
        const port = found(t, PORT_ID);
        for (const flag of [0, 1]) if (of(t).synic.signal(port, flag) !== HvStatus.SUCCESS) throw new Error(`flag ${flag} was refused`);
      },
    ],
    check: (m) => (seen(m).join() === '1,1' ? null : `flags were seen so often: ${seen(m).join(' ')}`),
  },
  {
    name: 'one event flag again and again against a guest that clears it',
    spts: 16,
    setup: setup(EVENT_PORT),
    prepare,
    threads: [
      // The flag is cleared before the work is looked at: a signal that finds it set need not be told of.
      (t) => {
        const { words } = of(t);
        for (let answered = 0, work = 0; work !== 3; ) {
          words.awaitChange(INTERRUPTS, answered);
          answered = words.load(INTERRUPTS);
          if ((words.and(FLAGS, ~1) & 1) !== 0) work = words.load(NOTE);
        }
      },
      (t) => {
        const port = found(t, PORT_ID);
        for (const work of [1, 2, 3]) {
          of(t).words.store(NOTE, work);
          of(t).synic.signal(port, 0);
        }
      },
    ],
    check: () => null,
  },
  {
    name: 'messages against a guest that takes its page away and puts it back',
    spts: 16,
    setup: (m) => {
      setup(MESSAGE_PORT)(m);
      m.partition.i32.fill(0, NOWHERE >>> 2, (NOWHERE + Message.BYTES) >>> 2);
    },
    prepare,
    threads: [
      (t) => {
        const { words, registers } = of(t);
        for (const value of [0n, 1n]) registers.write(0, SynicMsr.SIMP, value);
        const all = t.machine.partition.i32.subarray(SEEN >>> 2);
        for (let seen = 0, answered = 0; words.load(NOTE) !== DONE + seen; ) {
          words.awaitChange(INTERRUPTS, answered);
          answered = words.load(INTERRUPTS);
          for (let value = take(of(t)); value !== 0; value = take(of(t))) all[seen++] = value;
        }
      },
      (t) => {
        const { words, synic } = of(t);
        let accepted = 0;
        for (const value of [11, 12, 13]) {
          const status = synic.post(found(t, PORT_ID), 1, new Uint8Array(Uint32Array.of(value).buffer));
          if (status === HvStatus.SUCCESS) accepted++;
          else if (status !== HvStatus.INVALID_SYNIC_STATE) throw new Error(`message ${value} was refused: ${status}`);
        }
        words.store(NOTE, DONE + accepted);
        words.add(INTERRUPTS, 1);
      },
    ],
    check: (m) => {
      if (m.partition.i32.subarray(NOWHERE >>> 2, (NOWHERE + Message.BYTES) >>> 2).some((word) => word !== 0))
        return 'a message has come where there is no page';
      const got = seen(m);
      return got.join() === [...got].sort((a, b) => a - b).join() ? leftovers(m) : `the guest has seen ${got.join(' ')}`;
    },
  },
  {
    name: 'a port is closed, and another one has its place, against a message',
    spts: 16,
    setup: setup(MESSAGE_PORT),
    prepare,
    threads: [
      (t) => {
        const { ports, synic, words } = of(t);
        ports.close(PORT_ID, (index) => synic.drop(index));
        // From here on the old port's message is in the slot already, or never.
        const inSlot = words.load(SLOT + Message.TYPE) !== 0;
        ports.open({ ...MESSAGE_PORT, id: PORT_ID + 1 });
        const value = inSlot ? take(of(t)) : 0;
        if (value !== 0) t.machine.partition.i32[SEEN >>> 2] = value;
        post(t, found(t, PORT_ID + 1), 21);
      },
      (t) => {
        const port = of(t).ports.find(PORT_ID);
        if (port !== undefined) of(t).synic.post(port, 1, new Uint8Array(Uint32Array.of(11).buffer));
        if (port !== undefined) of(t).synic.post(port, 1, new Uint8Array(Uint32Array.of(12).buffer));
      },
    ],
    check: (m) => {
      const slot = m.partition.i32[(SLOT + Message.PAYLOAD) >>> 2];
      const origin = m.partition.i32[(SLOT + Message.ORIGIN) >>> 2];
      if (slot !== 21 || origin !== PORT_ID + 1) return `message ${slot} of port ${origin} came in after the port was closed`;
      return leftovers(m);
    },
  },
];
