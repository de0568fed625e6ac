// One debugger's connection: packets in order, answered in order (GDB manual, appendix E). Its first good packet stops the machine; its end lets the guest go on.
// Whatever it sends, only this connection can suffer: what is malformed is answered by an error, what is too much ends it.
import type { Socket } from 'node:net';
import { BREAKPOINTS_MAX, DebugAction, WATCHES_MAX, WatchKind } from '../../../shared/layout/debug.js';
import type { VpBlock } from '../../../shared/layout/vp.js';
import { reasonOf } from '../../../shared/protocol/errors.js';
import type { Partition } from '../partition.js';
import { isLong, isWideCode } from '../registers.js';
import type { DebugControl, Stop, Watchpoint } from './debug-control.js';
import type { DebugService } from './debug-service.js';
import { monitor } from './monitor.js';
import { ACKNOWLEDGED, type Incoming, PACKET_MAX, PacketReader, packetOf, REFUSED } from './packets.js';
import { type Bits, type Feature, featuresOf, fromHex, type Register, toHex, writeRegister } from './register-set.js';
import { stopReply, threadOf } from './stop-reply.js';
import { describeTarget } from './target-description.js';

/** Packets that may wait; whoever sends more than that without waiting for an answer is no debugger. */
const WAITING_MAX = 64;
/** Bytes of answers that may wait for the debugger to take them. */
const UNSENT_MAX = 1 << 20;
/** Of one watchpoint, bytes. */
const WATCH_BYTES_MAX = 4096;
const FIRST_BYTES = new Set([...Buffer.from('+-$'), 0x03]);
const OK = 'OK';
const Failure = { SYNTAX: 'E16', NO_MEMORY: 'E0e', NO_THREAD: 'E03', NO_ROOM: 'E1c', READ_ONLY: 'E01' } as const;
const WATCH_OF: Readonly<Record<string, number>> = { 2: WatchKind.WRITE, 3: WatchKind.READ, 4: WatchKind.READ | WatchKind.WRITE };

export class GdbSession {
  readonly #socket: Socket;
  readonly #service: DebugService;
  readonly #control: DebugControl;
  readonly #reader = new PacketReader();
  readonly #waiting: Buffer[] = [];
  readonly #breakpoints = new Map<number, Set<string>>();
  #watches: Watchpoint[] = [];
  #work: Promise<void> = Promise.resolve();
  #isBusy = false;
  #isOver = false;
  /** No further packet is carried out. */
  #isLeaving = false;
  #hasBegun = false;
  #isRunning = false;
  #acknowledges = true;
  #tellsBreaks = false;
  #last: Buffer = Buffer.alloc(0);
  #lastStop: Stop = { kind: 'interrupted' };
  /** VPs that the next packets are about. */
  #vp = 0;
  #continued = -1;
  #bits: Bits = 64;
  #features: readonly Feature[] = [];
  #registers: readonly Register[] = [];

  constructor(socket: Socket, service: DebugService) {
    this.#socket = socket;
    this.#service = service;
    this.#control = service.control;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => void this.end());
  }

  /** The machine or the partition is about to end: the debugger is answered once more, if it waits. */
  async leave(): Promise<void> {
    this.#isLeaving = true;
    if (this.#isRunning) this.#control.interrupt();
    await this.#work;
    await this.end();
  }
  /** Resolves when the guest goes on without this debugger. */
  async end(): Promise<void> {
    const isFirst = !this.#isOver;
    this.#isOver = true;
    this.#socket.destroy();
    this.#waiting.length = 0;
    if (this.#isRunning) this.#control.interrupt();
    await this.#work;
    if (isFirst && this.#hasBegun) await this.#control.detach();
  }

  #receive(chunk: Buffer): void {
    if (this.#isOver) return;
    // A browser that was talked into a request to this port speaks HTTP.
    if (!this.#hasBegun && this.#waiting.length === 0 && !FIRST_BYTES.has(chunk[0]!)) {
      this.#drop('does not speak the protocol');
      return;
    }
    try {
      for (const incoming of this.#reader.take(chunk)) this.#hear(incoming);
      if (this.#waiting.length > WAITING_MAX) this.#drop('too many packets at once');
      else if (!this.#isBusy) this.#work = this.#serveAll();
    } catch (error) {
      this.#drop(reasonOf(error));
    }
  }
  #hear(incoming: Incoming): void {
    if (incoming.kind === 'packet') {
      if (this.#acknowledges) this.#send(ACKNOWLEDGED);
      this.#waiting.push(incoming.body);
    } else if (incoming.kind === 'refused') this.#send(REFUSED);
    else if (incoming.kind === 'again') this.#send(this.#last);
    else if (this.#isRunning || this.#waiting.length > 0) this.#control.interrupt();
  }
  #send(bytes: Buffer): void {
    if (this.#socket.destroyed) return;
    this.#socket.write(bytes);
    if (this.#socket.writableLength > UNSENT_MAX) this.#drop('does not take its answers');
  }
  #answer(body: string | Uint8Array): void {
    this.#last = packetOf(body);
    this.#send(this.#last);
  }
  #drop(why: string): void {
    this.#service.log.warn({ why }, 'debugger dropped');
    void this.end();
  }

  async #serveAll(): Promise<void> {
    this.#isBusy = true;
    try {
      for (let body = this.#waiting.shift(); body !== undefined && !this.#isOver && !this.#isLeaving; body = this.#waiting.shift()) {
        if (!this.#hasBegun) await this.#begin();
        const answer = await this.#carryOut(body);
        if (answer !== undefined && !this.#isOver) this.#answer(answer);
      }
    } catch (error) {
      this.#drop(reasonOf(error));
    } finally {
      this.#isBusy = false;
    }
  }

  async #begin(): Promise<void> {
    this.#hasBegun = true;
    const partition = this.#service.pick();
    if (partition !== undefined) await this.#take(partition);
    else this.#lastStop = { kind: 'ended' };
  }
  async #take(partition: Partition): Promise<void> {
    this.#breakpoints.clear();
    this.#watches = [];
    await this.#control.attach(partition);
    await this.#service.attached(partition);
    await this.#control.stand();
    this.#lastStop = this.#control.isThere ? { kind: 'interrupted' } : { kind: 'ended' };
    this.#vp = 0;
    this.#continued = -1;
    const first = partition.body.vps[0]!;
    this.#bits = this.#service.bits ?? (isLong(first) ? 64 : isWideCode(first) ? 32 : 16);
    this.#features = featuresOf(this.#bits, true);
    this.#registers = this.#features.flatMap(({ registers }) => registers);
  }

  /** Undefined: there is no answer. */
  async #carryOut(body: Buffer): Promise<string | Uint8Array | undefined> {
    const text = body.toString('latin1');
    const rest = text.slice(1);
    switch (text[0]) {
      case '?':
        return this.#stopReply();
      case 'g':
        return this.#block === undefined ? Failure.NO_THREAD : this.#registers.map((r) => toHex(r, r.get(this.#block!))).join('');
      case 'G':
        return this.#writeAll(rest);
      case 'p':
        return this.#readOne(rest);
      case 'P':
        return this.#writeOne(rest);
      case 'm':
        return this.#readMemory(rest);
      case 'M':
        return this.#writeMemory(rest, (at) => Buffer.from(rest.slice(at), 'hex'));
      case 'X':
        return this.#writeMemory(rest, (at) => body.subarray(at + 1));
      case 'Z':
      case 'z':
        return this.#changeStop(text[0] === 'Z', rest);
      case 'H':
        return this.#choose(rest);
      case 'T':
        return this.#vpOf(rest) === undefined ? Failure.NO_THREAD : OK;
      case 'c':
      case 's':
      case 'C':
      case 'S':
        return this.#resumeOld(text[0].toLowerCase());
      case 'v':
        return this.#verbose(rest);
      case 'q':
      case 'Q':
        return this.#query(text);
      case 'D':
        await this.#control.detach();
        this.#lastStop = { kind: 'ended' };
        return OK;
      case 'k':
        await this.#kill();
        void this.end();
        return undefined;
      default:
        return '';
    }
  }

  // --- threads and registers

  get #vps(): readonly VpBlock[] {
    return this.#control.isThere ? (this.#control.target?.body.vps ?? []) : [];
  }
  get #block(): VpBlock | undefined {
    return this.#vps[this.#vp];
  }
  #vpOf(thread: string): number | undefined {
    const vp = /^[0-9a-f]{1,8}$/i.test(thread) ? Number.parseInt(thread, 16) - 1 : Number.NaN;
    return this.#vps[vp] === undefined ? undefined : vp;
  }
  #choose(rest: string): string {
    const thread = rest.slice(1);
    const isAny = thread === '0' || thread === '-1';
    const vp = isAny ? undefined : this.#vpOf(thread);
    if (!isAny && vp === undefined) return Failure.NO_THREAD;
    if (rest[0] === 'g') this.#vp = vp ?? this.#vp;
    else if (rest[0] === 'c') this.#continued = vp ?? -1;
    else return '';
    return OK;
  }
  #readOne(rest: string): string {
    const register = this.#registers[number(rest)];
    return register === undefined || this.#block === undefined ? Failure.SYNTAX : toHex(register, register.get(this.#block));
  }
  #writeOne(rest: string): string {
    const [which = '', hex = ''] = rest.split('=');
    const register = this.#registers[number(which)];
    if (register === undefined || this.#block === undefined || !isHex(hex, register.bits / 4)) return Failure.SYNTAX;
    return writeRegister(this.#block, register, fromHex(hex)) ? OK : Failure.READ_ONLY;
  }
  #writeAll(hex: string): string {
    const digits = this.#registers.reduce((total, { bits }) => total + bits / 4, 0);
    if (this.#block === undefined || !isHex(hex, digits)) return Failure.SYNTAX;
    let at = 0;
    for (const register of this.#registers) {
      const end = at + register.bits / 4;
      // What only the processor writes stays as it is.
      writeRegister(this.#block, register, fromHex(hex.slice(at, end)));
      at = end;
    }
    return OK;
  }

  // --- memory and where to stop

  async #readMemory(rest: string): Promise<string> {
    const [where, length] = rest.split(',');
    const address = this.#address(where);
    const bytes = number(length);
    if (address === undefined || Number.isNaN(bytes)) return Failure.SYNTAX;
    const read = await this.#control.read(this.#vp, address, Math.min(bytes, (PACKET_MAX - 16) / 2));
    return read?.toString('hex') ?? Failure.NO_MEMORY;
  }
  async #writeMemory(rest: string, data: (at: number) => Uint8Array): Promise<string> {
    const colon = rest.indexOf(':');
    const [where, length] = rest.slice(0, Math.max(colon, 0)).split(',');
    const address = this.#address(where);
    const bytes = number(length);
    const given = data(colon + 1);
    if (colon < 0 || address === undefined || bytes !== given.length) return Failure.SYNTAX;
    return (await this.#control.write(this.#vp, address, given)) ? OK : Failure.NO_MEMORY;
  }
  /** Linear, as the processor has it: signed where the VP is in IA-32e mode. */
  #address(hex: string | undefined): number | undefined {
    if (hex === undefined || !/^[0-9a-f]{1,16}$/i.test(hex)) return undefined;
    const value = BigInt(`0x${hex}`);
    const block = this.#block;
    if (block === undefined || !isLong(block)) return Number(BigInt.asUintN(32, value));
    const address = Number(BigInt.asIntN(64, value));
    return Math.abs(address) <= 2 ** 48 ? address : undefined;
  }

  #changeStop(isNew: boolean, rest: string): string {
    const [kind = '', where, length] = (rest.split(';')[0] ?? '').split(',');
    const address = this.#address(where);
    const bytes = number(length);
    if (!/^[0-4]$/.test(kind)) return '';
    if (address === undefined || Number.isNaN(bytes)) return Failure.SYNTAX;
    const access = WATCH_OF[kind];
    if (access === undefined) {
      const kinds = this.#breakpoints.get(address) ?? new Set<string>();
      if (isNew) kinds.add(kind);
      else kinds.delete(kind);
      if (isNew && this.#breakpoints.size >= BREAKPOINTS_MAX && !this.#breakpoints.has(address)) return Failure.NO_ROOM;
      if (kinds.size > 0) this.#breakpoints.set(address, kinds);
      else this.#breakpoints.delete(address);
    } else {
      if (bytes < 1 || bytes > WATCH_BYTES_MAX) return Failure.SYNTAX;
      const others = this.#watches.filter((w) => w.from !== address || w.bytes !== bytes || w.access !== access);
      if (isNew && others.length >= WATCHES_MAX) return Failure.NO_ROOM;
      this.#watches = isNew ? [...others, { from: address, bytes, access }] : others;
    }
    this.#control.setStops([...this.#breakpoints.keys()], this.#watches);
    return OK;
  }

  // --- going on

  async #resumeOld(what: string): Promise<string> {
    const all = this.#vps.map((_, vp): number => (this.#continued < 0 || vp === this.#continued ? DebugAction.RUN : DebugAction.HOLD));
    if (what === 's') all[this.#continued < 0 ? this.#vp : this.#continued] = DebugAction.STEP;
    return this.#goOn(what === 's' ? all.map((action) => (action === DebugAction.STEP ? action : DebugAction.HOLD)) : all);
  }
  /** `vCont`: for each VP the first action that names it, or names none. */
  async #resume(list: readonly string[]): Promise<string> {
    const actions: number[] = this.#vps.map((): number => DebugAction.HOLD);
    const isSet = actions.map(() => false);
    for (const one of list) {
      const [action = '', thread = '-1'] = one.split(':');
      const kind = /^[cC]/.test(action) ? DebugAction.RUN : /^[sS]/.test(action) ? DebugAction.STEP : undefined;
      if (kind === undefined) return Failure.SYNTAX;
      const only = thread === '-1' ? undefined : this.#vpOf(thread);
      if (thread !== '-1' && only === undefined) return Failure.NO_THREAD;
      for (const vp of actions.keys()) {
        if (isSet[vp] || (only !== undefined && only !== vp)) continue;
        actions[vp] = kind;
        isSet[vp] = true;
      }
    }
    return this.#goOn(actions);
  }
  async #goOn(actions: readonly number[]): Promise<string> {
    this.#isRunning = true;
    try {
      this.#lastStop = await this.#control.goOn(actions);
    } finally {
      this.#isRunning = false;
    }
    if (this.#lastStop.kind === 'event') this.#vp = this.#lastStop.vp;
    return this.#stopReply();
  }
  #stopReply(): string {
    if (!this.#control.isThere) this.#lastStop = { kind: 'ended' };
    const stop = this.#lastStop;
    const kinds = stop.kind === 'event' ? this.#breakpoints.get(stop.address) : undefined;
    const breakName = !this.#tellsBreaks ? '' : kinds?.has('1') === true && !kinds.has('0') ? 'hwbreak:;' : 'swbreak:;';
    return stopReply(stop, this.#watches, this.#vp, breakName);
  }

  async #verbose(rest: string): Promise<string | undefined> {
    if (rest === 'Cont?') return 'vCont;c;C;s;S';
    if (rest.startsWith('Cont;')) return this.#resume(rest.slice('Cont;'.length).split(';'));
    if (!rest.startsWith('Kill;')) return '';
    // Before: with the guest its machine may end, and with that this connection.
    this.#answer(OK);
    await this.#kill();
    return undefined;
  }
  async #kill(): Promise<void> {
    const { target } = this.#control;
    await this.#control.detach();
    if (target !== undefined) await this.#service.kill(target);
  }

  // --- queries

  async #query(text: string): Promise<string | undefined> {
    const [name = ''] = text.split(/[:,]/, 1);
    const rest = text.slice(name.length + 1);
    switch (name) {
      case 'qSupported':
        this.#tellsBreaks = /swbreak\+/.test(rest);
        return `PacketSize=${PACKET_MAX.toString(16)};QStartNoAckMode+;qXfer:features:read+;vContSupported+;swbreak+;hwbreak+`;
      case 'QStartNoAckMode':
        this.#answer(OK);
        this.#acknowledges = false;
        return undefined;
      case 'qAttached':
        return '1';
      case 'qC':
        return `QC${threadOf(this.#vp)}`;
      case 'qfThreadInfo':
        return this.#vps.length === 0 ? 'l' : `m${this.#vps.map((_, vp) => threadOf(vp)).join(',')}`;
      case 'qsThreadInfo':
        return 'l';
      case 'qThreadExtraInfo':
        return this.#describeThread(rest);
      case 'qXfer':
        return this.#transfer(rest);
      case 'qRcmd':
        return this.#monitor(rest);
      default:
        return '';
    }
  }
  #describeThread(thread: string): string {
    const vp = this.#vpOf(thread);
    return vp === undefined ? Failure.NO_THREAD : Buffer.from(`VP ${vp} of ${this.#control.target?.name}`).toString('hex');
  }
  #transfer(rest: string): string {
    const [object, verb, annex, range = ''] = rest.split(':');
    if (object !== 'features' || verb !== 'read') return '';
    if (annex !== 'target.xml') return 'E00';
    const [from, length] = range.split(',').map(number) as [number, number];
    if (!(from >= 0 && length > 0)) return Failure.SYNTAX;
    const xml = describeTarget(this.#bits, this.#features);
    const part = xml.slice(from, from + Math.min(length, PACKET_MAX / 2));
    return `${from + part.length < xml.length ? 'm' : 'l'}${part}`;
  }
  async #monitor(hex: string): Promise<string> {
    if (!/^([0-9a-f]{2})*$/i.test(hex)) return Failure.SYNTAX;
    const said = await monitor(Buffer.from(hex, 'hex').toString('latin1'), {
      control: this.#control,
      vp: this.#vp,
      names: this.#service.names,
      address: (word) => this.#address(word.replace(/^0x/i, '')),
      take: async (name) => {
        const partition = this.#service.find(name);
        if (partition !== undefined) await this.#take(partition);
        return partition !== undefined;
      },
    });
    return Buffer.from(said, 'latin1').toString('hex');
  }
}

/** A number as the protocol writes it: hex digits; NaN for anything else. */
const number = (hex: string | undefined): number =>
  hex !== undefined && /^[0-9a-f]{1,8}$/i.test(hex) ? Number.parseInt(hex, 16) : Number.NaN;
const isHex = (hex: string, digits: number): boolean => hex.length === digits && /^[0-9a-f]*$/i.test(hex);
