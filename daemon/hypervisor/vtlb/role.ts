// The role of a VP's address space: everything in its control registers, besides CR3, that changes what a shadow entry may say.
// Why: two VPs may share SPTs only if the same guest entry means the same to both (SDM 3A 4.1, 4.6).
import { Cr0, Cr4, Efer } from '../../../shared/abi/registers.js';
import type { Views } from '../../../shared/layout/struct.js';
import { type VpBlock, VpLayout } from '../../../shared/layout/vp.js';
import { PagingMode, Role, Sas, sasAt } from '../../../shared/layout/vtlb.js';

/** The SAS part of a role (Role.SAS bits). 0 = paging off. */
export const roleOf = (vp: VpBlock): number => {
  const { cr0, cr4, efer } = vp;
  if ((cr0 & Cr0.PG) === 0) return 0;
  const mode = (efer & Efer.LMA) !== 0 ? PagingMode.LONG : (cr4 & Cr4.PAE) !== 0 ? PagingMode.PAE : PagingMode.LEGACY;
  return (
    (mode << Role.MODE_SHIFT) |
    (mode === PagingMode.LEGACY && (cr4 & Cr4.PSE) !== 0 ? Role.PSE : 0) |
    // 32-bit paging has no XD bit, but NXE without PAE is still no reason for the I flag of error codes (SDM 3A 4.7).
    (mode !== PagingMode.LEGACY && (efer & Efer.NXE) !== 0 ? Role.NXE : 0) |
    ((cr0 & Cr0.WP) !== 0 ? Role.WP : 0) |
    ((cr4 & Cr4.SMEP) !== 0 ? Role.SMEP : 0) |
    ((cr4 & Cr4.SMAP) !== 0 ? Role.SMAP : 0) |
    ((cr4 & Cr4.PGE) !== 0 ? Role.PGE : 0)
  );
};

/** Whether SPTs of the role are made from a table that the guest may edit: not when paging is off, nor above the levels of the mode. */
export const isTable = (role: number): boolean => {
  const mode = (role & Role.MODE) >>> Role.MODE_SHIFT;
  return (role & Role.DIRECT) === 0 && mode !== PagingMode.NONE && (role & Role.LEVEL) <= (mode === PagingMode.LONG ? 4 : 2);
};

/** The tag of an address space: role, PCID, CR3 as far as the mode uses it, and in PAE mode the four PDPTE registers (SDM 3A 4.4.1). */
export class SpaceKey {
  role = 0;
  cr3Lo = 0;
  cr3Hi = 0;
  /** CR3 11:0 with CR4.PCIDE (SDM 3A 4.10.1). */
  pcid = 0;
  readonly pdpte = new Int32Array(8);
  /** Whose tables they are: see Numa.ownerFor. */
  owner = 0;

  /** Snapshots (shared/kit/saved): role, CR3, PCID, owner, PDPTEs. */
  get saved(): readonly number[] {
    return [this.role, this.cr3Lo, this.cr3Hi, this.pcid, this.owner, ...this.pdpte];
  }
  set saved([role, cr3Lo, cr3Hi, pcid, owner, ...pdpte]: readonly number[]) {
    this.role = role;
    this.cr3Lo = cr3Lo;
    this.cr3Hi = cr3Hi;
    this.pcid = pcid;
    this.owner = owner;
    this.pdpte.set(pdpte);
  }

  /** Takes the key from a VP's registers. */
  read(vp: VpBlock, owner: number): this {
    this.role = roleOf(vp);
    this.owner = owner;
    this.cr3Lo = 0;
    this.cr3Hi = 0;
    this.pcid = 0;
    const mode = (this.role & Role.MODE) >>> Role.MODE_SHIFT;
    if (mode !== PagingMode.PAE) this.#noPdptes();
    if (mode === PagingMode.NONE) return this;
    const cr3 = vp.cr3Lo | 0;
    if (mode === PagingMode.LONG) {
      if ((vp.cr4 & Cr4.PCIDE) !== 0) this.pcid = cr3 & 0xfff;
      this.cr3Lo = cr3 & -4096;
      this.cr3Hi = vp.cr3Hi & 0xf_ffff;
    } else if (mode === PagingMode.LEGACY) this.cr3Lo = cr3 & -4096;
    else {
      this.cr3Lo = cr3 & -32;
      const from = (vp.base + VpLayout.at.pdpte) >>> 2;
      for (let i = 0; i < 8; i++) this.pdpte[i] = vp.views.i32[from + i];
    }
    return this;
  }

  #noPdptes(): void {
    for (let i = 0; i < 8; i++) this.pdpte[i] = 0;
  }

  /** The tag of a shared node: its role has a level, which no space's has. */
  node(gptGfn: number, role: number, place: number, owner: number): this {
    this.role = role;
    this.owner = owner;
    this.cr3Lo = gptGfn << 12;
    this.cr3Hi = gptGfn >>> 20;
    this.pcid = 0;
    this.#noPdptes();
    this.pdpte[0] = place;
    return this;
  }

  /** Takes the key of a SAS that is loaded. */
  ofSpace({ i32, u32 }: Views, sas: number): void {
    const at = sasAt(sas) >>> 2;
    this.role = i32[at + (Sas.role >> 2)];
    this.owner = u32[at + (Sas.owner >> 2)];
    this.cr3Lo = i32[at + (Sas.cr3Lo >> 2)];
    this.cr3Hi = i32[at + (Sas.cr3Hi >> 2)];
    this.pcid = i32[at + (Sas.pcid >> 2)];
    for (let i = 0; i < 8; i++) this.pdpte[i] = i32[at + (Sas.pdpte >> 2) + i];
  }

  equals(other: SpaceKey): boolean {
    if (
      this.role !== other.role ||
      this.owner !== other.owner ||
      this.cr3Lo !== other.cr3Lo ||
      this.cr3Hi !== other.cr3Hi ||
      this.pcid !== other.pcid
    )
      return false;
    for (let i = 0; i < 8; i++) if (this.pdpte[i] !== other.pdpte[i]) return false;
    return true;
  }

  copy(other: SpaceKey): void {
    this.role = other.role;
    this.owner = other.owner;
    this.cr3Lo = other.cr3Lo;
    this.cr3Hi = other.cr3Hi;
    this.pcid = other.pcid;
    for (let i = 0; i < 8; i++) this.pdpte[i] = other.pdpte[i];
  }
}
