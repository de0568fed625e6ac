// The test port for synthetic interrupts: a SINT raised, messages and events that come back, and commands that mean nothing.
import test from 'ava';
import { HvCall, HvMsr, HvStatus } from '../../shared/abi/hyperv.js';
import { writePorts } from '../../shared/hyperv/partition-ports.js';
import { PORTS_MAX } from '../../shared/layout/synic.js';
import { Slot } from '../../shared/layout/vp.js';
import { control, HypervGuest } from '../rig/hyperv-guest.js';

const MESSAGES = 0x8_0000;
const EVENTS = 0x8_1000;
const VECTOR = 0x51;
const Command = { ROUTE: 1, RAISE: 3, MESSAGES_OPEN: 4, MESSAGES_CLOSE: 5, EVENTS_OPEN: 6, EVENTS_CLOSE: 7 } as const;

class TestPortGuest extends HypervGuest {
  constructor(testDevices = true) {
    super('cold', 'all', 1, { testDevices });
    writePorts(this.machine.views, { ports: [], connections: [] });
    this.enable();
    this.machine.vp.apicSvr = 0x1ff;
    this.write(HvMsr.SIMP, BigInt(MESSAGES) | 1n);
    this.write(HvMsr.SIEFP, BigInt(EVENTS) | 1n);
    this.write(HvMsr.SCONTROL, 1n);
    for (let sint = 1; sint < 16; sint++) this.write(HvMsr.SINT0 + sint, BigInt(VECTOR + sint));
  }
  command(command: number, sint: number, connection = 0, vp = 0): void {
    this.machine.load('ef');
    this.machine.run({ registers: { [Slot.RDX]: 0x3000, [Slot.RAX]: ((connection << 24) | (command << 16) | (vp << 8) | sint) >>> 0 } });
  }
  /** The quadword at a linear address, as the guest reads it. */
  at(address: number): bigint {
    this.machine.load('488b06');
    return this.machine.run({ registers: { [Slot.RSI]: address } }).registers[Slot.RAX];
  }
  isRequested(vector: number): boolean {
    const { vp, views } = this.machine;
    return [vp.newIrr, vp.irr].some((words) => ((views.u32[(words >>> 2) + (vector >>> 5)] >>> (vector & 31)) & 1) !== 0);
  }
  post(connection: number): number {
    this.input(connection, 0, 0x1234_5678, 8, 0x1122, 0);
    return this.call(control(HvCall.POST_MESSAGE)).status;
  }
  signal(connection: number): number {
    return this.call(control(HvCall.SIGNAL_EVENT, { fast: true }), connection, 0).status;
  }
}

test('a SINT is raised with nothing to tell of, unless it is masked', (t) => {
  const g = new TestPortGuest();
  g.command(Command.ROUTE, 5);
  g.command(Command.RAISE, 5);
  t.true(g.isRequested(VECTOR + 5));
  g.write(HvMsr.SINT0 + 6, BigInt(VECTOR + 6) | (1n << 16n));
  g.command(Command.RAISE, 6);
  t.false(g.isRequested(VECTOR + 6));
});

test('messages come back to the SINT that was named', (t) => {
  const g = new TestPortGuest();
  t.is(g.post(0x10), HvStatus.INVALID_CONNECTION_ID);
  g.command(Command.MESSAGES_OPEN, 8, 0x10);
  t.is(g.post(0x10), HvStatus.SUCCESS);
  t.is(g.at(MESSAGES + 8 * 256), 0x0000_0008_1234_5678n, 'type and size');
  t.is(g.at(MESSAGES + 8 * 256 + 16), 0x1122n);
  t.true(g.isRequested(VECTOR + 8));
  t.is(g.post(0x10), HvStatus.SUCCESS, 'it waits');
  t.is(g.at(MESSAGES + 8 * 256), 0x0000_0108_1234_5678n, 'and the reader is told');
  g.command(Command.MESSAGES_CLOSE, 8, 0x10);
  t.is(g.post(0x10), HvStatus.INVALID_CONNECTION_ID);
});

test("events come back as the flag of the connection's number", (t) => {
  const g = new TestPortGuest();
  g.command(Command.EVENTS_OPEN, 9, 0x25);
  t.is(g.signal(0x25), HvStatus.SUCCESS);
  t.is(g.at(EVENTS + 9 * 256), 1n << 0x25n);
  t.true(g.isRequested(VECTOR + 9));
  g.command(Command.EVENTS_CLOSE, 9, 0x25);
  t.is(g.signal(0x25), HvStatus.INVALID_CONNECTION_ID);
});

test('commands without a meaning, and more ports than there can be, change nothing else', (t) => {
  const g = new TestPortGuest();
  for (const [command, sint, connection, vp] of [
    [0, 1, 1, 0],
    [255, 1, 1, 0],
    [Command.RAISE, 16, 0, 0],
    [Command.RAISE, 255, 0, 0],
    [Command.RAISE, 5, 0, 1],
    [Command.MESSAGES_OPEN, 5, 7, 255],
    [Command.MESSAGES_CLOSE, 5, 7, 0],
    [Command.EVENTS_CLOSE, 5, 255, 0],
  ])
    g.command(command, sint, connection, vp);
  t.false(g.isRequested(VECTOR + 5));
  t.is(g.post(7), HvStatus.INVALID_CONNECTION_ID);
  for (let connection = 0; connection < PORTS_MAX + 8; connection++) g.command(Command.MESSAGES_OPEN, 5, connection);
  g.command(Command.EVENTS_OPEN, 6, 3);
  t.is(g.post(3), HvStatus.SUCCESS, 'the number is taken: it stays what it was');
  t.is(g.post(PORTS_MAX + 7), HvStatus.INVALID_CONNECTION_ID);
});

test('without test devices there is no such port', (t) => {
  const g = new TestPortGuest(false);
  g.command(Command.RAISE, 5);
  t.false(g.isRequested(VECTOR + 5));
});
