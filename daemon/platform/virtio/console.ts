// A console of two ports: port 0 is the partition's console, port 1 is called `hvd.agent` and carries what an agent in the guest and the daemon say to each other
// (virtio 1.2, 5.3). Nobody who listens holds the guest up: both ports' output is a log. Queues: input and output of port 0, control in and out, input and output of port 1.
import { CONSOLE_CONTROL_BYTES, ConsoleEvent, ConsoleFeature, VirtioType } from '../../../shared/abi/virtio.js';
import { AGENT_BYTES, AGENT_PORT_NAME, ConsoleBufferLayout } from '../../../shared/layout/console-buffer.js';
import { CONSOLE_IN_BYTES, DeviceMap } from '../../../shared/layout/devices.js';
import { ByteLog, ByteQueue } from '../../../shared/layout/ring.js';
import { accessor, struct, u8, u32 } from '../../../shared/layout/struct.js';
import type { ConsoleOutput } from '../console-output.js';
import type { Chain } from './chain.js';
import type { VirtioDevice, VirtioModel } from './virtio-device.js';

const Queue = { IN: 0, OUT: 1, CONTROL_IN: 2, CONTROL_OUT: 3, AGENT_IN: 4, AGENT_OUT: 5 } as const;
const PORTS = 2;
const CONSOLE = 0;
const AGENT = 1;
/** What the driver gives at once is no more than this. */
const OUTPUT_MAX = 1 << 20;
const PIECE = 4096;

/** Control messages that wait for room, a bit each: the lowest goes first. */
const Say = { ADD: 1, CONSOLE_PORT: 2, NAME: 4, OPEN: 8, SIZE: 16 } as const;
const SAY_BITS = 5;
const EVENT_OF: Readonly<Record<number, number>> = {
  [Say.ADD]: ConsoleEvent.DEVICE_ADD,
  [Say.CONSOLE_PORT]: ConsoleEvent.CONSOLE_PORT,
  [Say.NAME]: ConsoleEvent.PORT_NAME,
  [Say.OPEN]: ConsoleEvent.PORT_OPEN,
  [Say.SIZE]: ConsoleEvent.RESIZE,
};

const ConsoleState = accessor(
  struct('VirtioConsole', {
    /** `Say` bits of port 0, then of port 1. */
    pending: u32,
    /** Input is there, and the driver has given no room for it. */
    starved: u8,
    /** The driver has taken up port 0. */
    ready: u8,
    /** The size that it has been told, as ConsoleBufferLayout has it. */
    told: u32,
  }),
);

export class ConsoleModel implements VirtioModel {
  readonly type = VirtioType.CONSOLE;
  readonly classCode = 0x07_8000;
  readonly features = [ConsoleFeature.SIZE, ConsoleFeature.MULTIPORT];
  readonly queueSizes = [64, 64, 32, 32, 64, 64];
  private readonly device: VirtioDevice;
  private readonly output: ConsoleOutput;
  private readonly input: ByteQueue;
  private readonly toAgent: ByteQueue;
  private readonly fromAgent: ByteLog;
  private readonly state: InstanceType<typeof ConsoleState>;
  private readonly piece = new Uint8Array(PIECE);

  constructor(device: VirtioDevice, output: ConsoleOutput) {
    const { views, registers, entry } = device;
    this.device = device;
    this.output = output;
    this.input = new ByteQueue(views, DeviceMap.CONSOLE_IN, CONSOLE_IN_BYTES);
    this.fromAgent = new ByteLog(views, entry.buffer + ConsoleBufferLayout.at.out, AGENT_BYTES);
    this.toAgent = new ByteQueue(views, entry.buffer + ConsoleBufferLayout.at.in, AGENT_BYTES);
    this.state = new ConsoleState(views, registers.own);
  }

  /** Columns and rows (0: not known), ports, no emergency write. */
  config(): Uint8Array {
    const { size } = this;
    return Uint8Array.of(size & 0xff, (size >>> 8) & 0xff, (size >>> 16) & 0xff, size >>> 24, PORTS, 0, 0, 0, 0, 0, 0, 0);
  }

  notified(queue: number, now: number): void {
    if (queue === Queue.IN) this.state.starved = 0;
    this.serve(now);
  }
  serve(now: number): void {
    this.drain(Queue.OUT, this.output, now);
    if (this.device.has(ConsoleFeature.MULTIPORT)) {
      this.device.drain(this.device.queues[Queue.CONTROL_OUT], now, (chain) => this.hear(chain));
      if (this.state.ready !== 0 && this.size !== this.state.told) this.want(CONSOLE, Say.SIZE);
      this.say();
      this.drain(Queue.AGENT_OUT, this.fromAgent, now);
      this.fill(Queue.AGENT_IN, this.toAgent);
    }
    if (!this.fill(Queue.IN, this.input)) this.state.starved = 1;
  }
  deadline(): number {
    return Number.POSITIVE_INFINITY;
  }
  reset(): void {
    this.state.pending = 0;
    this.state.starved = 0;
    this.state.ready = 0;
    this.state.told = 0;
  }

  private get size(): number {
    const { views, entry } = this.device;
    return Atomics.load(views.i32, (entry.buffer + ConsoleBufferLayout.at.size) >>> 2) >>> 0;
  }

  /** The driver is there: what is typed is for this console and not for COM1. */
  get hasConsole(): boolean {
    return this.device.queues[Queue.IN].isLive;
  }
  /** Input that comes now can be handed on at once. */
  get takesInput(): boolean {
    return this.state.starved === 0;
  }

  private drain(index: number, log: Pick<ByteLog, 'append'>, now: number): void {
    this.device.drain(this.device.queues[index], now, (chain) => {
      if (!this.isText(chain)) return false;
      for (let at = 0; at < chain.readableBytes; at += PIECE) {
        const piece = this.piece.subarray(0, Math.min(PIECE, chain.readableBytes - at));
        chain.read(at, piece);
        for (const byte of piece) log.append(byte);
      }
      return this.sent(index, chain);
    });
  }
  private isText(chain: Chain): boolean {
    if (chain.readableBytes <= OUTPUT_MAX) return true;
    this.device.violated();
    return false;
  }
  private sent(queue: number, chain: Chain): boolean {
    const { entry } = this.device;
    entry.outs++;
    entry.outBytesNum += chain.readableBytes;
    this.device.queues[queue].give(chain.head, 0);
    return true;
  }

  /** Hands bytes of the source to the driver, a chain at a time; false while there are more and it has no room for them. */
  private fill(index: number, source: ByteQueue): boolean {
    const queue = this.device.queues[index];
    const { entry } = this.device;
    while (source.length > 0) {
      const chain = queue.peek();
      if (chain === undefined) break;
      const bytes = Math.min(source.length, chain.writableBytes, PIECE);
      for (let i = 0; i < bytes; i++) this.piece[i] = source.pop();
      chain.write(0, this.piece.subarray(0, bytes));
      queue.take();
      queue.give(chain.head, bytes);
      entry.ins++;
      entry.inBytesNum += bytes;
    }
    queue.tell();
    return source.length === 0;
  }

  // --- control messages (5.3.6.2) ----------------------------------------------------------------------------------------------------------------

  private hear(chain: Chain): boolean {
    const message = new Uint8Array(CONSOLE_CONTROL_BYTES);
    if (!chain.read(0, message)) {
      this.device.violated();
      return false;
    }
    const view = new DataView(message.buffer);
    const port = view.getUint32(0, true);
    const event = view.getUint16(4, true);
    const isYes = view.getUint16(6, true) === 1;
    if (event === ConsoleEvent.DEVICE_READY && isYes) for (let each = 0; each < PORTS; each++) this.want(each, Say.ADD);
    if (event === ConsoleEvent.PORT_READY && isYes && port === CONSOLE) {
      this.want(CONSOLE, Say.CONSOLE_PORT | Say.OPEN);
      this.state.ready = 1;
    }
    if (event === ConsoleEvent.PORT_READY && isYes && port === AGENT) this.want(AGENT, Say.NAME | Say.OPEN);
    this.device.queues[Queue.CONTROL_OUT].give(chain.head, 0);
    return true;
  }
  private want(port: number, what: number): void {
    this.state.pending |= what << (port * SAY_BITS);
  }
  private say(): void {
    const queue = this.device.queues[Queue.CONTROL_IN];
    while (this.state.pending !== 0) {
      const chain = queue.peek();
      if (chain === undefined) break;
      const bit = this.state.pending & -this.state.pending;
      const port = bit < 1 << SAY_BITS ? CONSOLE : AGENT;
      const what = bit >>> (port * SAY_BITS);
      const { size } = this;
      const more = what === Say.NAME ? new TextEncoder().encode(AGENT_PORT_NAME) : what === Say.SIZE ? resizeOf(size) : new Uint8Array();
      const message = new Uint8Array(CONSOLE_CONTROL_BYTES + more.length);
      const view = new DataView(message.buffer);
      view.setUint32(0, port, true);
      view.setUint16(4, EVENT_OF[what], true);
      view.setUint16(6, 1, true);
      message.set(more, CONSOLE_CONTROL_BYTES);
      if (!chain.write(0, message)) {
        this.device.violated();
        break;
      }
      this.state.pending &= ~bit;
      if (what === Say.SIZE) this.state.told = size;
      queue.take();
      queue.give(chain.head, message.length);
    }
    queue.tell();
  }
}

/** Columns, then rows (5.3.6.2). Linux has read them the other way round for years; Debian's 6.1.192 reads them as they are. */
const resizeOf = (size: number): Uint8Array => Uint8Array.of(size & 0xff, (size >>> 8) & 0xff, (size >>> 16) & 0xff, size >>> 24);
