// A private switch between network devices of this machine's partitions: frames go to where their destination was last heard from, to everybody otherwise (IEEE 802.1D).
// What it does happens at the gate, to a machine that stands still in `deterministic` mode: frames are then the machine's own, and their way is part of its course.
import { FrameQueue } from '../../../shared/layout/frame-queue.js';
import { FRAME_QUEUE_BYTES, NetworkBufferLayout } from '../../../shared/layout/network-buffer.js';
import type { Views } from '../../../shared/layout/struct.js';
import { VirtualDevice, VirtualDeviceLayout, virtualDeviceAt } from '../../../shared/layout/virtual-devices.js';

/** Frames of one port that are carried before the others have their turn. */
export const FRAMES_AT_ONCE = 256;
/** Stations that are remembered; who comes beyond is found by flooding. */
export const STATIONS_MAX = 1024;
const ADDRESSES_BYTES = 12;

/** One network device in a boot of its partition. */
export class SwitchPort {
  /** Partition and device. */
  readonly name: string;
  readonly out: FrameQueue;
  readonly #in: FrameQueue;
  readonly #views: Views;
  readonly #held: number;
  readonly #calls: number;
  readonly #failures: number;
  readonly sent: number;
  /** The device is to look. */
  readonly #tell: () => void;
  /** It has been told of what it was given. */
  isTold = true;

  constructor(partition: string, views: Views, index: number, tell: () => void) {
    this.name = `${partition}/${index}`;
    const { buffer } = new VirtualDevice(views, virtualDeviceAt(index));
    this.#views = views;
    this.#tell = tell;
    this.out = new FrameQueue(views, buffer + NetworkBufferLayout.at.out, FRAME_QUEUE_BYTES);
    this.#in = new FrameQueue(views, buffer + NetworkBufferLayout.at.in, FRAME_QUEUE_BYTES);
    this.sent = (buffer + NetworkBufferLayout.at.sent) >>> 2;
    this.#held = (buffer + NetworkBufferLayout.at.held) >>> 2;
    this.#calls = (buffer + NetworkBufferLayout.at.calls) >>> 2;
    this.#failures = (virtualDeviceAt(index) + VirtualDeviceLayout.at.failures) >>> 2;
  }

  /** The device calls root at the gate with what it sends (layout/gate). */
  set calls(does: boolean) {
    Atomics.store(this.#views.i32, this.#calls, Number(does));
  }
  /** One that there is no room for is lost, and counted. */
  receive(frame: Uint8Array): void {
    if (this.#in.push(frame)) this.isTold = false;
    else Atomics.add(this.#views.u32, this.#failures, 1);
  }
  /** Frames have been taken from `out`, or received: the device hears of it if it has to. */
  settle(): void {
    // The room first, then the look: the device does it the other way round.
    const isHeld = Atomics.exchange(this.#views.i32, this.#held, 0) !== 0;
    if (this.isTold && !isHeld) return;
    this.isTold = true;
    this.#tell();
  }
}

export interface SwitchSaved {
  readonly ports: readonly { readonly port: string; readonly isTold: boolean }[];
  readonly stations: readonly (readonly string[])[];
}

export class Switch {
  readonly #ports = new Set<SwitchPort>();
  readonly #stations = new Map<string, SwitchPort>();

  get isEmpty(): boolean {
    return this.#ports.size === 0;
  }
  join(port: SwitchPort): void {
    this.#ports.add(port);
  }
  leave(port: SwitchPort): void {
    this.#ports.delete(port);
    for (const [station, at] of this.#stations) if (at === port) this.#stations.delete(station);
  }

  /** Snapshots (shared/kit/saved): ports by their names, in the order in which they are served. Taken up once all have joined. */
  get saved(): SwitchSaved {
    return {
      ports: [...this.#ports].map(({ name, isTold }) => ({ port: name, isTold })),
      stations: [...this.#stations].map(([station, { name }]) => [station, name]),
    };
  }
  set saved({ ports, stations }: SwitchSaved) {
    const byName = new Map([...this.#ports].map((port) => [port.name, port]));
    this.#ports.clear();
    for (const { port: name, isTold } of ports) {
      const port = byName.get(name);
      if (port === undefined) continue;
      port.isTold = isTold;
      this.#ports.add(port);
    }
    this.#stations.clear();
    for (const [station, name] of stations) {
      const port = byName.get(name!);
      if (port !== undefined) this.#stations.set(station!, port);
    }
  }

  /** Carries what the ports have sent. */
  carry(): void {
    for (const port of this.#ports) {
      for (let left = FRAMES_AT_ONCE; left > 0; left--) {
        const frame = port.out.pop();
        if (frame === undefined) break;
        if (frame.length >= ADDRESSES_BYTES) this.#forward(port, frame);
      }
    }
    for (const port of this.#ports) port.settle();
  }

  /** Until nothing is left that was sent, of a machine that stands still. */
  carryAll(): void {
    do this.carry();
    while ([...this.#ports].some(({ out }) => !out.empty));
  }

  #forward(from: SwitchPort, frame: Uint8Array): void {
    const source = addressOf(frame, 6);
    // Nobody sends from a group address.
    if ((frame[6]! & 1) === 0 && (this.#stations.has(source) || this.#stations.size < STATIONS_MAX)) this.#stations.set(source, from);
    const to = this.#stations.get(addressOf(frame, 0));
    if (to === undefined) {
      for (const port of this.#ports) if (port !== from) port.receive(frame);
    } else if (to !== from) to.receive(frame);
  }
}

const addressOf = (frame: Uint8Array, at: number): string => Buffer.from(frame.subarray(at, at + 6)).toString('hex');
