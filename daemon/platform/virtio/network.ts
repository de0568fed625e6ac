// A network device with one pair of queues and no offloads: whole frames between the rings and root, which has the wire (virtio 1.2, 5.1; shared/layout/network-buffer.ts).
import { NETWORK_HEADER_BYTES, NetworkFeature, VirtioType } from '../../../shared/abi/virtio.js';
import { FRAME_MAX, FrameQueue } from '../../../shared/layout/frame-queue.js';
import { FRAME_QUEUE_BYTES, NetworkBufferLayout } from '../../../shared/layout/network-buffer.js';
import type { PlatformHost } from '../host.js';
import type { Chain } from './chain.js';
import type { VirtioDevice, VirtioModel } from './virtio-device.js';

const Queue = { IN: 0, OUT: 1 } as const;
const QUEUE_SIZE = 256;
const LINK_UP = 1;
const ETHERNET_HEADER_BYTES = 14;
/** num_buffers of a received frame. */
const HEADER = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0);

export class NetworkModel implements VirtioModel {
  readonly type = VirtioType.NETWORK;
  readonly classCode = 0x02_0000;
  readonly features = [NetworkFeature.MAC, NetworkFeature.STATUS];
  readonly queueSizes = [QUEUE_SIZE, QUEUE_SIZE];
  private readonly device: VirtioDevice;
  private readonly host: Pick<PlatformHost, 'callRoot'>;
  private readonly out: FrameQueue;
  private readonly in: FrameQueue;
  private readonly frame = new Uint8Array(FRAME_MAX);

  constructor(device: VirtioDevice, host: Pick<PlatformHost, 'callRoot'>) {
    const { views, entry } = device;
    this.device = device;
    this.host = host;
    this.out = new FrameQueue(views, entry.buffer + NetworkBufferLayout.at.out, FRAME_QUEUE_BYTES);
    this.in = new FrameQueue(views, entry.buffer + NetworkBufferLayout.at.in, FRAME_QUEUE_BYTES);
  }

  config(): Uint8Array {
    const { entry } = this.device;
    const config = new Uint8Array(8);
    config.set(entry.views.u8.subarray(entry.mac, entry.mac + 6));
    config[6] = LINK_UP;
    return config;
  }

  notified(queue: number, now: number): void {
    if (queue === Queue.OUT) this.send(now);
    else this.receive(now);
  }
  serve(now: number): void {
    this.receive(now);
    this.send(now);
  }
  deadline(): number {
    return Number.POSITIVE_INFINITY;
  }
  reset(): void {
    this.word('held', 0);
  }

  private send(now: number): void {
    const { entry } = this.device;
    let pushed = false;
    this.device.drain(this.device.queues[Queue.OUT], now, (chain) => {
      const bytes = chain.readableBytes - NETWORK_HEADER_BYTES;
      if (bytes < ETHERNET_HEADER_BYTES) {
        this.device.violated();
        return false;
      }
      if (bytes > FRAME_MAX) entry.failures++;
      else if (!this.hold()) return false;
      else {
        const frame = this.frame.subarray(0, bytes);
        chain.read(NETWORK_HEADER_BYTES, frame);
        this.out.push(frame);
        entry.outs++;
        entry.outBytesNum += bytes;
        pushed = true;
      }
      this.device.queues[Queue.OUT].give(chain.head, 0);
      return true;
    });
    if (pushed) this.raise();
  }
  private raise(): void {
    // The call first: root that wakes finds it.
    if (Atomics.load(this.device.views.i32, this.at('calls')) !== 0) this.host.callRoot();
    const sent = this.at('sent');
    Atomics.add(this.device.views.i32, sent, 1);
    Atomics.notify(this.device.views.i32, sent);
  }
  /** False: there is no room, and root knows that somebody waits for it. The word first, then the look: as root does it the other way round. */
  private hold(): boolean {
    if (this.out.hasRoom) return true;
    this.word('held', 1);
    if (!this.out.hasRoom) return false;
    this.word('held', 0);
    return true;
  }

  private receive(now: number): void {
    const { entry } = this.device;
    const queue = this.device.queues[Queue.IN];
    if (this.in.empty) return;
    this.device.drain(queue, now, (chain: Chain) => {
      // Without merged buffers each must hold any frame (5.1.6.3.1).
      if (chain.writableBytes < NETWORK_HEADER_BYTES + FRAME_MAX) {
        this.device.violated();
        return false;
      }
      const frame = this.in.pop();
      if (frame === undefined) return false;
      chain.write(0, HEADER);
      chain.write(NETWORK_HEADER_BYTES, frame);
      queue.give(chain.head, NETWORK_HEADER_BYTES + frame.length);
      entry.ins++;
      entry.inBytesNum += frame.length;
      return true;
    });
    // The room first, then the look: root does it the other way round.
    if (Atomics.exchange(this.device.views.i32, this.at('wanted'), 0) !== 0) this.raise();
  }

  private at(word: 'sent' | 'held' | 'wanted' | 'calls'): number {
    return (this.device.entry.buffer + NetworkBufferLayout.at[word]) >>> 2;
  }
  private word(word: 'sent' | 'held', value: number): void {
    Atomics.store(this.device.views.i32, this.at(word), value);
  }
}
