// What a debugger does to a partition while its LPs stand still: reads and writes memory by linear address, and says where VPs stop.
// Why on an LP: a write must be seen by whoever has made something of the bytes (translated code, shadow tables, MWAIT), which is the LPs' knowledge.
import {
  type DebugBlock,
  DebugLayout,
  DebugRequest,
  DebugResult,
  WATCH_SIZE,
  WatchEntry,
  WatchKind,
} from '../../../shared/layout/debug.js';
import { PartitionMap } from '../../../shared/layout/partition.js';
import type { OutsideWatch } from '../../machine/debug-unit.js';
import type { PartitionOnLp } from '../partition-on-lp.js';
import { GuestTranslation } from './guest-translation.js';

const TABLE_VERSION = DebugLayout.at.tableVersion;

export class GuestDebug {
  readonly #on: PartitionOnLp;
  readonly #block: DebugBlock;
  readonly #translation: GuestTranslation;
  #breakpoints: ReadonlySet<number> = new Set();
  #watches: readonly OutsideWatch[] = [];
  #version = 0;

  constructor(on: PartitionOnLp, block: DebugBlock) {
    this.#on = on;
    this.#block = block;
    this.#translation = new GuestTranslation(on.views, on.mmu.lp.overlays);
  }

  /** Carries out a request other than STEP; returns a DebugResult. */
  serve(): number {
    const block = this.#block;
    const vp = this.#on.vps[block.requestVp];
    switch (block.request) {
      case DebugRequest.READ:
        return this.#read(vp.index, block.requestAddressNum, block.requestBytes);
      case DebugRequest.WRITE:
        return this.#write(vp.index, block.requestAddressNum, block.requestBytes);
      default:
        return this.#walk(vp.index, block.requestAddressNum);
    }
  }

  /** As much as is mapped. */
  #read(vp: number, gva: number, bytes: number): number {
    const block = this.#block;
    const { u8 } = this.#on.views;
    block.done = 0;
    for (let at = 0; at < bytes; ) {
      const spa = this.#at(vp, gva + at);
      if (spa < 0) break;
      const part = Math.min(bytes - at, 4096 - (spa & 4095));
      block.views.u8.set(u8.subarray(spa, spa + part), block.buffer + at);
      at += part;
      block.done = at;
    }
    return block.done > 0 || bytes === 0 ? DebugResult.OK : DebugResult.UNMAPPED;
  }

  /** All or nothing, whatever the guest's tables let be written. */
  #write(vp: number, gva: number, bytes: number): number {
    const block = this.#block;
    const parts: { readonly spa: number; readonly from: number; readonly bytes: number }[] = [];
    for (let at = 0; at < bytes; ) {
      const spa = this.#at(vp, gva + at);
      if (spa < 0) return DebugResult.UNMAPPED;
      const part = Math.min(bytes - at, 4096 - (spa & 4095));
      parts.push({ spa, from: block.buffer + at, bytes: part });
      at += part;
    }
    for (const part of parts) this.#store(part.spa, block.views.u8.slice(part.from, part.from + part.bytes));
    return DebugResult.OK;
  }
  #store(spa: number, bytes: Uint8Array): void {
    const { stores, views } = this.#on;
    const gfn = (spa - PartitionMap.RAM) >>> 12;
    stores.begin(gfn, spa & 4095, bytes.length);
    views.u8.set(bytes, spa);
    stores.end(gfn, spa & 4095, bytes.length);
  }
  #at(index: number, gva: number): number {
    return this.#translation.translate(this.#on.vps[index], gva);
  }

  /** The entries on the way as triples of 64-bit words: level, address, entry; then the guest-physical address, all ones for none. */
  #walk(vp: number, gva: number): number {
    const block = this.#block;
    const { data } = block.views;
    const physical = this.#translation.physical(this.#on.vps[vp], gva);
    const words = [
      ...this.#translation.steps.flatMap(({ level, at, entry }) => [BigInt(level), BigInt(at), entry]),
      BigInt.asUintN(64, BigInt(physical)),
    ];
    for (const [i, word] of words.entries()) data.setBigUint64(block.buffer + i * 8, word, true);
    block.done = this.#translation.steps.length;
    return physical < 0 ? DebugResult.UNMAPPED : DebugResult.OK;
  }

  /** Before guest code is run: takes over what root has changed. `isTarget`: the breakpoints are this partition's. */
  takeOver(isTarget: boolean): void {
    const block = this.#block;
    const version = isTarget ? Atomics.load(block.views.i32, (block.base + TABLE_VERSION) >>> 2) : 0;
    if (version === this.#version) return;
    this.#version = version;
    const breakpoints = isTarget ? this.#listed() : new Set<number>();
    const watches = isTarget ? this.#watched() : [];
    if (isSame(breakpoints, this.#breakpoints) && JSON.stringify(watches) === JSON.stringify(this.#watches)) return;
    this.#breakpoints = breakpoints;
    this.#watches = watches;
    this.#on.processor.watchFromOutside(breakpoints, watches);
  }
  #listed(): Set<number> {
    const { breakpointCount, breakpoints, views } = this.#block;
    return new Set(Array.from({ length: breakpointCount }, (_, i) => views.data.getFloat64(breakpoints + i * 8, true)));
  }
  #watched(): OutsideWatch[] {
    const { watchCount, watches, views } = this.#block;
    return Array.from({ length: watchCount }, (_, i) => {
      const at = watches + i * WATCH_SIZE;
      const kind = views.data.getUint32(at + WatchEntry.KIND, true);
      return {
        from: views.data.getFloat64(at + WatchEntry.FROM, true),
        bytes: views.data.getFloat64(at + WatchEntry.BYTES, true),
        onRead: (kind & WatchKind.READ) !== 0,
        onWrite: (kind & WatchKind.WRITE) !== 0,
      };
    });
  }
}

const isSame = (a: ReadonlySet<number>, b: ReadonlySet<number>): boolean => a.size === b.size && [...a].every((one) => b.has(one));
