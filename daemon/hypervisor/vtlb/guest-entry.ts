// One entry of a guest's page table, read without an access: what a walk through it would come to. Why apart from the walk: revalidation goes over whole tables.
// References: SDM 3A 4.3-4.6; guest-walk.ts has the same rules with faults and the bits that an access sets.
import { FRAME_HIGH, PTE_XD_HIGH, Pte, Reserved } from '../../../shared/layout/paging.js';
import { PagingMode, Role } from '../../../shared/layout/vtlb.js';

export class GuestEntry {
  /** Whether a walk goes on through the entry and has nothing to set in it: present, accessed, no reserved bit. */
  usable = false;
  /** It maps a page of 4 MiB, 2 MiB or 1 GiB. */
  large = false;
  /** Frame of the table or of the page, as far as it comes from the entry. */
  frame = 0;
  /** Rights of the walk to here: Role.W, U, X. */
  rights = 0;
  dirty = false;
  global = false;

  /** `role`: of the SPT that shadows the table; `bus`: frame number bits that reach memory. */
  read(role: number, low: number, high: number, bus: number): void {
    const mode = (role & Role.MODE) >>> Role.MODE_SHIFT;
    const level = role & Role.LEVEL;
    const wide = mode !== PagingMode.LEGACY;
    this.large = level > 1 && (low & Pte.PS) !== 0 && (wide || (role & Role.PSE) !== 0);
    this.usable = (low & (Pte.P | Pte.A)) === (Pte.P | Pte.A);
    if (wide) {
      const reserved = mode === PagingMode.LONG ? Reserved.HIGH_LONG : Reserved.HIGH_PAE;
      if ((high & ((role & Role.NXE) !== 0 ? reserved : reserved | PTE_XD_HIGH)) !== 0) this.usable = false;
      if (this.large && (level === 4 || (low & (level === 3 ? Reserved.LARGE_1G : Reserved.LARGE_2M)) !== 0)) this.usable = false;
      this.frame = (((high & FRAME_HIGH) << 20) | (low >>> 12)) & bus;
    } else {
      if (this.large && (low & Reserved.LARGE_4M) !== 0) this.usable = false;
      this.frame = (low >>> 12) & bus;
    }
    if (this.large) this.frame &= level === 3 ? ~0x3_ffff : wide ? ~0x1ff : ~0x3ff;
    this.rights = role & Role.ACCESS;
    if ((low & Pte.W) === 0) this.rights &= ~Role.W;
    if ((low & Pte.U) === 0) this.rights &= ~Role.U;
    if (wide && (high & PTE_XD_HIGH) !== 0) this.rights &= ~Role.X;
    this.dirty = (low & Pte.D) !== 0;
    this.global = (low & Pte.G) !== 0 && (role & Role.PGE) !== 0;
  }
}
