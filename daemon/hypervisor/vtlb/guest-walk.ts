// Walks a guest's page tables for one access, in every paging mode: exact faults, accessed and dirty bits, and which SPTs the translation belongs in.
// Why the processor's rules are repeated here: the LP's hardware walker only ever sees shadow tables. References: SDM 3A 4.3-4.8.
import { Rflags } from '../../../shared/abi/registers.js';
import { FRAME_HIGH, PageAccess, PageFaultError, PTE_XD_HIGH, Pte, Reserved } from '../../../shared/layout/paging.js';
import { PartitionMap } from '../../../shared/layout/partition.js';
import { Slot, type VpBlock } from '../../../shared/layout/vp.js';
import { PagingMode, Role } from '../../../shared/layout/vtlb.js';
import type { SharedWords } from '../../machine/shared-words.js';
import { type OverlayMap, Stores } from '../overlay-map.js';
import { A20_CLOSED, busOf } from './bus.js';
import { Counter, type VtlbCounting } from './counters.js';
import type { SpaceKey } from './role.js';

/** CHANGED: the guest changed an entry under the walk; walk again. */
export const GuestWalkResult = { OK: 0, FAULT: 1, CHANGED: 2 } as const;
export type GuestWalkResult = 0 | 1 | 2;

export class GuestWalk {
  readonly #words: SharedWords;
  readonly #counting: Pick<VtlbCounting, 'add'>;
  readonly #overlays: OverlayMap;
  /** Bits of frame numbers that reach the bus. */
  #bus = -1;
  // Entries met, by level: byte address (0: outside RAM) and low half.
  readonly #at = new Float64Array(5);
  readonly #low = new Int32Array(5);

  /** After FAULT. */
  errorCode = 0;
  /**
   * After OK: the 4 KiB frame, rights of the whole walk (Role.W, U, X), and of the leaf entry G (with CR4.PGE) and D. The frame is an overlay's own, or the ROM's, where
   * there is one; `busGfn` is what the guest's tables say. `isMemory`: RAM, ROM or an overlay, to which `stores` may not go; else there may be a device.
   */
  gfn = 0;
  busGfn = 0;
  isMemory = false;
  stores: OverlayMap['stores'] = Stores.ALLOWED;
  rights = 0;
  global = false;
  dirty = false;
  /** For SPT levels 1..3: what the SPT on the way must shadow, and its role. */
  readonly sptGfn = new Int32Array(4);
  readonly sptRole = new Int32Array(4);

  constructor(words: SharedWords, counting: Pick<VtlbCounting, 'add'>, overlays: OverlayMap) {
    this.#words = words;
    this.#counting = counting;
    this.#overlays = overlays;
  }

  walk(vp: VpBlock, key: SpaceKey, gva: number, access: number): GuestWalkResult {
    const result = this.#translate(vp, key, gva, access);
    if (result !== GuestWalkResult.OK) return result;
    this.busGfn = this.gfn;
    const found = this.#overlays.find(this.gfn);
    this.isMemory = found >= 0;
    this.stores = this.#overlays.stores;
    if (found >= 0) this.gfn = found;
    return result;
  }

  #translate(vp: VpBlock, key: SpaceKey, gva: number, access: number): GuestWalkResult {
    this.#bus = busOf(this.#words.read(A20_CLOSED));
    switch ((key.role & Role.MODE) >>> Role.MODE_SHIFT) {
      case PagingMode.LONG: {
        const frame = ((key.cr3Hi & FRAME_HIGH) << 20) | (key.cr3Lo >>> 12);
        return this.#wide(vp, key.role, gva, access, 4, frame, Reserved.HIGH_LONG);
      }
      case PagingMode.PAE:
        return this.#pae(vp, key, gva, access);
      case PagingMode.LEGACY:
        return this.#legacy(vp, key, gva, access);
      default:
        this.gfn = (gva >>> 12) & 0xf_ffff & this.#bus;
        this.rights = Role.ACCESS;
        this.global = false;
        this.dirty = true;
        this.#direct(key.role, 4);
        return GuestWalkResult.OK;
    }
  }

  #pae(vp: VpBlock, key: SpaceKey, gva: number, access: number): GuestWalkResult {
    const which = ((gva | 0) >>> 30) * 2;
    const low = key.pdpte[which];
    if ((low & Pte.P) === 0) return this.#fault(0, key.role, access);
    this.sptGfn[3] = key.cr3Lo >>> 12;
    this.sptRole[3] = key.role | Role.ACCESS | 3;
    const frame = ((key.pdpte[which + 1] & FRAME_HIGH) << 20) | (low >>> 12);
    return this.#wide(vp, key.role, gva, access, 2, frame, Reserved.HIGH_PAE);
  }

  /** 64-bit entries, from the table of level `top` in guest frame `frame` down. */
  #wide(vp: VpBlock, role: number, gva: number, access: number, top: number, frame: number, reservedHigh: number): GuestWalkResult {
    const low = gva | 0;
    const high = Math.floor(gva / 4294967296) | 0;
    const reserved = (role & Role.NXE) !== 0 ? reservedHigh : reservedHigh | PTE_XD_HIGH;
    let rights: number = Role.ACCESS;
    frame &= this.#bus;
    for (let level = top; ; level--) {
      if (level < 4) {
        this.sptGfn[level] = frame;
        this.sptRole[level] = role | rights | level;
      }
      const offset = (level === 4 ? high >>> 4 : level === 3 ? (high << 5) | (low >>> 27) : level === 2 ? low >>> 18 : low >>> 9) & 0xff8;
      let entry = -1;
      let entryHigh = -1;
      let at = 0;
      // Beyond RAM the bus reads as ones.
      if (this.#overlays.holdsTables(frame)) {
        at = PartitionMap.RAM + frame * 4096 + offset;
        // Low half first: whoever writes both halves separately sets P last (SDM 3A 4.10.4.2), and a present entry is changed with an invalidation.
        entry = this.#words.load(at);
        entryHigh = this.#words.read(at + 4);
      }
      this.#at[level] = at;
      this.#low[level] = entry;
      if ((entry & Pte.P) === 0) return this.#fault(0, role, access);
      if ((entryHigh & reserved) !== 0) return this.#fault(PageFaultError.P | PageFaultError.RSVD, role, access);
      if ((entry & Pte.W) === 0) rights &= ~Role.W;
      if ((entry & Pte.U) === 0) rights &= ~Role.U;
      if ((entryHigh & PTE_XD_HIGH) !== 0) rights &= ~Role.X;
      frame = (((entryHigh & FRAME_HIGH) << 20) | (entry >>> 12)) & this.#bus;
      if (level === 1) {
        this.gfn = frame;
        return this.#leaf(vp, role, rights, access, top, 1);
      }
      if ((entry & Pte.PS) === 0) continue;
      // PS is reserved in a PML4 entry, and so are the address bits below a large page.
      const wrong = level === 4 ? -1 : level === 3 ? Reserved.LARGE_1G : Reserved.LARGE_2M;
      if ((entry & wrong) !== 0) return this.#fault(PageFaultError.P | PageFaultError.RSVD, role, access);
      this.gfn = (level === 3 ? (frame & ~0x3_ffff) | ((low >>> 12) & 0x3_ffff) : (frame & ~0x1ff) | ((low >>> 12) & 0x1ff)) & this.#bus;
      return this.#leaf(vp, role, rights, access, top, level);
    }
  }

  /** 32-bit paging: two levels of 1024 entries. An SPT shadows a quarter of a directory (1 GiB), or half of a table (2 MiB). */
  #legacy(vp: VpBlock, key: SpaceKey, gva: number, access: number): GuestWalkResult {
    const { role } = key;
    const low = gva | 0;
    let frame = (key.cr3Lo >>> 12) & this.#bus;
    let rights: number = Role.ACCESS;
    this.sptGfn[3] = frame;
    this.sptRole[3] = role | rights | 3;
    for (let level = 2; ; level--) {
      this.sptGfn[level] = frame;
      this.sptRole[level] = role | rights | level | ((level === 2 ? low >>> 30 : (low >>> 21) & 1) << Role.QUADRANT_SHIFT);
      let entry = -1;
      let at = 0;
      if (this.#overlays.holdsTables(frame)) {
        at = PartitionMap.RAM + frame * 4096 + ((level === 2 ? low >>> 20 : low >>> 10) & 0xffc);
        entry = this.#words.read(at);
      }
      this.#at[level] = at;
      this.#low[level] = entry;
      if ((entry & Pte.P) === 0) return this.#fault(0, role, access);
      if ((entry & Pte.W) === 0) rights &= ~Role.W;
      if ((entry & Pte.U) === 0) rights &= ~Role.U;
      frame = (entry >>> 12) & this.#bus;
      if (level === 1) {
        this.gfn = frame;
        return this.#leaf(vp, role, rights, access, 2, 1);
      }
      if ((entry & Pte.PS) === 0 || (role & Role.PSE) === 0) continue;
      if ((entry & Reserved.LARGE_4M) !== 0) return this.#fault(PageFaultError.P | PageFaultError.RSVD, role, access);
      this.gfn = ((frame & ~0x3ff) | ((low >>> 12) & 0x3ff)) & this.#bus;
      return this.#leaf(vp, role, rights, access, 2, 2);
    }
  }

  /** The walk ends at an entry of `leafLevel`: checks rights, then sets A on the way and D at the leaf. */
  #leaf(vp: VpBlock, role: number, rights: number, access: number, top: number, leafLevel: number): GuestWalkResult {
    if (!permitted(vp, role, rights, access)) return this.#fault(PageFaultError.P, role, access);
    for (let level = top; level >= leafLevel; level--) {
      const entry = this.#low[level];
      const wanted = entry | Pte.A | (level === leafLevel && (access & PageAccess.WRITE) !== 0 ? Pte.D : 0);
      if (wanted === entry) continue;
      if (this.#words.compareExchange(this.#at[level], entry, wanted) !== entry) return GuestWalkResult.CHANGED;
      this.#low[level] = wanted;
      this.#counting.add(((wanted ^ entry) & Pte.D) !== 0 ? Counter.dirtySet : Counter.accessedSet);
    }
    const leaf = this.#low[leafLevel];
    this.rights = rights;
    this.dirty = (leaf & Pte.D) !== 0;
    this.global = (leaf & Pte.G) !== 0 && (role & Role.PGE) !== 0;
    if (leafLevel > 1) this.#direct(role, leafLevel);
    return GuestWalkResult.OK;
  }

  /** Below a large page, and when paging is off, SPTs map consecutive frames. */
  #direct(role: number, leafLevel: number): void {
    for (let level = leafLevel - 1; level > 0; level--) {
      this.sptGfn[level] = this.gfn & ~((1 << (9 * level)) - 1);
      this.sptRole[level] = role | Role.DIRECT | this.rights | level;
    }
  }

  #fault(cause: number, role: number, access: number): GuestWalkResult {
    // I is reported only where fetches can differ from reads: NXE (with PAE) or SMEP (SDM 3A 4.7).
    const fetch = (role & (Role.NXE | Role.SMEP)) !== 0 ? access & PageAccess.FETCH : 0;
    this.errorCode = cause | (access & (PageAccess.WRITE | PageAccess.USER)) | fetch;
    return GuestWalkResult.FAULT;
  }
}

/** Access rights of a whole walk against one access (SDM 3A 4.6.1). */
const permitted = (vp: VpBlock, role: number, rights: number, access: number): boolean => {
  if ((access & PageAccess.FETCH) !== 0 && (rights & Role.X) === 0) return false;
  const write = (access & PageAccess.WRITE) !== 0;
  if ((access & PageAccess.USER) !== 0) return (rights & Role.U) !== 0 && (!write || (rights & Role.W) !== 0);
  if (write && (rights & Role.W) === 0 && (role & Role.WP) !== 0) return false;
  if ((rights & Role.U) === 0) return true;
  if ((access & PageAccess.FETCH) !== 0) return (role & Role.SMEP) === 0;
  if ((role & Role.SMAP) === 0) return true;
  return (access & PageAccess.IMPLICIT) === 0 && (vp.views.u32[(vp.base >>> 2) + Slot.FLAG_SYSTEM * 2] & Rflags.AC) !== 0;
};
