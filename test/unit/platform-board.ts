// A platform on a bench: partition memory without a partition, a clock that the test sets, and a record of what comes out of the wires.
import type { PlatformHost } from '../../daemon/platform/host.js';
import { Platform } from '../../daemon/platform/platform.js';
import { PartitionHeader, PartitionMap } from '../../shared/layout/partition.js';
import { type Views, viewsOf } from '../../shared/layout/struct.js';

export interface Board {
  readonly platform: Platform;
  readonly views: Views;
  /** Partition time, ns. */
  time: number;
  /** `destination.mode.vector` with `L` for level and `l` for logical, in order of delivery; taken (emptied) by `messages()`. */
  messages(): string[];
  /** Levels of INTR in order; taken by `intr()`. */
  intr(): boolean[];
  /** Power wires in order. */
  readonly power: string[];
  /** Writes (port, value) pairs, bytes. */
  out(...pairs: number[]): void;
  in(port: number): number;
  /** Stores of devices to guest memory, [address, bytes], that were announced; taken by `stores()`. */
  stores(): [number, number][];
  /** The platform calls root. */
  onCall: () => void;
  /** Lets `ns` pass and runs the timers. */
  wait(ns: number): void;
}

const RAM_SIZE = 64 << 20;

export interface BoardOptions {
  readonly deterministic?: boolean;
  /** What root writes down before there is a platform. */
  readonly prepare?: (views: Views) => void;
  /** What the partition's header says, and memory that is really there from RAM on. */
  readonly ramSize?: number;
  readonly bytes?: number;
}
/** `existing`: a partition memory, for a second LP's platform over it. */
export const board = (
  existing?: Views,
  { deterministic = false, prepare, ramSize = RAM_SIZE, bytes = 0x10_0000 }: BoardOptions = {},
): Board => {
  const views = existing ?? viewsOf(new SharedArrayBuffer(PartitionMap.RAM + bytes));
  const stores: [number, number][] = [];
  let messages: string[] = [];
  let intr: boolean[] = [];
  const power: string[] = [];
  const host: PlatformHost = {
    now: () => self.time,
    deliver: (destination, logical, mode, vector, level) => {
      messages.push(`${destination}${logical ? 'l' : ''}.${mode}.${vector.toString(16)}${level ? 'L' : ''}`);
    },
    setIntr: (asserted) => {
      intr.push(asserted);
    },
    powerOff: () => {
      power.push('off');
    },
    reset: () => {
      power.push('reset');
    },
    debugExit: (value) => {
      power.push(`exit ${value}`);
    },
    textSeen: () => {
      power.push('text seen');
    },
    remapped: () => {
      power.push('remapped');
    },
    beginStore: (gpa, bytes) => {
      stores.push([gpa, bytes]);
    },
    endStore: () => undefined,
    deterministic,
    patienceMs: deterministic ? 1000 : 0,
    lowerLine: () => undefined,
    callRoot: () => self.onCall(),
    synicTest: () => undefined,
    assertedLine: () => 0,
  };
  if (existing === undefined) {
    const header = new PartitionHeader(views, PartitionMap.HEADER);
    header.ramSize = ramSize;
    header.vpCount = 2;
    prepare?.(views);
  }
  const platform = new Platform(views, host);
  const self: Board = {
    platform,
    views,
    time: 0,
    messages: () => messages.splice(0),
    intr: () => intr.splice(0),
    power,
    stores: () => stores.splice(0),
    onCall: () => undefined,
    out: (...pairs) => {
      for (let i = 0; i < pairs.length; i += 2) platform.ioWrite(pairs[i], 1, pairs[i + 1]);
    },
    in: (port) => platform.ioRead(port, 1),
    wait: (ns) => {
      self.time += ns;
      platform.advance();
    },
  };
  if (existing === undefined) {
    platform.reset();
    messages = [];
    intr = [];
  }
  return self;
};

/** Both 8259 as PC systems set them up: vectors 0x20 and 0x28, cascade on 2, given masks. */
export const startPics = (b: Board, masterMask = 0, slaveMask = 0, icw4 = 1): void => {
  b.out(0x20, 0x11, 0x21, 0x20, 0x21, 0x04, 0x21, icw4, 0xa0, 0x11, 0xa1, 0x28, 0xa1, 0x02, 0xa1, icw4);
  b.out(0x21, masterMask, 0xa1, slaveMask);
  b.intr();
};

/** Writes an I/O APIC register through its window. */
export const ioapicWrite = (b: Board, register: number, value: number): void => {
  b.platform.mmioWrite(0xfec0_0000, 4, register);
  b.platform.mmioWrite(0xfec0_0010, 4, value);
};
export const ioapicRead = (b: Board, register: number): number => {
  b.platform.mmioWrite(0xfec0_0000, 4, register);
  return b.platform.mmioRead(0xfec0_0010, 4);
};
