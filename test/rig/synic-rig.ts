// The synthetic interrupt controllers of a small partition without a processor: registers, ports, timers, and a record of what they raise.
import { PortDirectory } from '../../daemon/hypervisor/synic/port-directory.js';
import { SynicRegisterFile } from '../../daemon/hypervisor/synic/synic-registers.js';
import { SyntheticTimers } from '../../daemon/hypervisor/synic/synthetic-timers.js';
import { SharedWords } from '../../daemon/machine/shared-words.js';
import { Message, SynicMsr } from '../../shared/abi/synic.js';
import { PartitionMap } from '../../shared/layout/partition.js';
import { type Views, viewsOf } from '../../shared/layout/struct.js';
import { powerUpSynic } from '../../shared/layout/synic.js';

const VPS = 2;
const PAGES = { eventPage: 0, messagePage: 1 } as const;

export interface RaisedInterrupt {
  readonly vp: number;
  readonly vector: number;
  readonly auto: boolean;
}

export class SynicRig {
  readonly views: Views = viewsOf(new SharedArrayBuffer(PartitionMap.RAM + VPS * 8192));
  readonly directory: PortDirectory;
  readonly timers: readonly SyntheticTimers[];
  readonly registers: SynicRegisterFile;
  readonly interrupts: RaisedInterrupt[] = [];
  /** Vectors of timers in direct mode. */
  readonly direct: number[] = [];
  /** As the SINTs of each VP have them. */
  readonly vectors: { watched: number[]; auto: number[] }[] = [];
  /** Partition time, ns. */
  now = 0;

  constructor(direct = true) {
    powerUpSynic(this.views);
    this.directory = new PortDirectory(this.views, new SharedWords(this.views), {
      vpCount: VPS,
      polling: true,
      raise: (vp, vector, auto) => void this.interrupts.push({ vp, vector, auto }),
      alwaysPending: () => false,
      store: (_address, _bytes, put) => put(),
    });
    const { synic } = this.directory;
    this.timers = [0, 1].map((vp) => new SyntheticTimers(this.views, vp, synic, (vector) => void this.direct.push(vector), direct));
    this.registers = new SynicRegisterFile(this.views, synic, this.timers, {
      overlay: (vp, page, register) => {
        if (register >> 48n !== 0n) return -1;
        return (register & 1n) === 0n ? 0 : this.#page(vp, page);
      },
      vectorsChanged: (vp, watched, auto) => {
        this.vectors[vp] = { watched: vectorsOf(watched), auto: vectorsOf(auto) };
      },
      moment: () => this.moment(),
    });
  }

  moment(): { now: number; reference: bigint } {
    return { now: this.now, reference: BigInt(Math.floor(this.now / 100)) };
  }
  /** Lets partition time come to `now`, timer by timer, as an LP does. */
  until(now: number): void {
    for (const timers of this.timers) {
      for (let due = timers.deadline(); due <= now; due = timers.deadline()) {
        this.now = Math.max(this.now, due);
        timers.advance(this.moment());
      }
    }
    this.now = now;
  }

  /** The controller and both pages are enabled. */
  ready(vp: number): this {
    this.registers.write(vp, SynicMsr.SCONTROL, 1n);
    this.registers.write(vp, SynicMsr.SIMP, 0x2001n);
    this.registers.write(vp, SynicMsr.SIEFP, 0x3001n);
    return this;
  }

  slot(vp: number, sint: number): number {
    return this.#page(vp, 'messagePage') + sint * Message.BYTES;
  }
  slotType(vp: number, sint: number): number {
    return this.views.u32[this.slot(vp, sint) >>> 2];
  }
  emptySlot(vp: number, sint: number): void {
    this.views.u32[this.slot(vp, sint) >>> 2] = 0;
  }
  payload(vp: number, sint: number): DataView {
    return new DataView(this.views.buffer, this.slot(vp, sint) + Message.PAYLOAD, Message.BYTES - Message.PAYLOAD);
  }

  #page(vp: number, page: keyof typeof PAGES): number {
    return PartitionMap.RAM + (vp * 2 + PAGES[page]) * 4096;
  }
}

const vectorsOf = (words: Int32Array): number[] =>
  Array.from({ length: 256 }, (_, n) => n).filter((n) => (words[n >>> 5] >>> (n & 31)) & 1);
