// Invariant I1 of the vTLB: at quiescence a shadow translation is absent, or grants no more than the guest's tables do, to the same page.
// Why by the LP's own walker: it is what would use the entry.
import { roleOf } from '../../daemon/hypervisor/vtlb/role.js';
import type { HardwareWalker } from '../../daemon/machine/walker.js';
import { Walk } from '../../daemon/machine/walker.js';
import { Rflags } from '../../shared/abi/registers.js';
import { PageAccess } from '../../shared/layout/paging.js';
import { PartitionMap } from '../../shared/layout/partition.js';
import { Slot, type VpBlock, VpLayout } from '../../shared/layout/vp.js';
import { PagingMode, Role } from '../../shared/layout/vtlb.js';
import { type Outcome, type PhysicalMemory, type Registers, translate, type Wanted } from './paging-model.js';
import type { SmallMachine } from './small-machine.js';

export const memoryOf = ({ partition, pages }: SmallMachine): PhysicalMemory => ({
  read: (address, bytes) => {
    if (address + BigInt(bytes) > BigInt(pages * 4096)) return bytes === 4 ? 0xffff_ffffn : 0xffff_ffff_ffff_ffffn;
    const at = PartitionMap.RAM + Number(address);
    return bytes === 4 ? BigInt(partition.u32[at >>> 2]) : partition.u64[at >>> 3];
  },
});

const MODES: readonly Registers['mode'][] = ['none', 'legacy', 'pae', 'long'];
export const registersOf = (vp: VpBlock): Registers => {
  const role = roleOf(vp);
  const pdpte = (vp.base + VpLayout.at.pdpte) >>> 3;
  return {
    mode: MODES[(role & Role.MODE) >>> Role.MODE_SHIFT] ?? MODES[PagingMode.NONE],
    cr3: vp.cr3,
    pdpte: [0, 1, 2, 3].map((i) => vp.views.u64[pdpte + i]),
    pse: (role & Role.PSE) !== 0,
    wp: (role & Role.WP) !== 0,
    smep: (role & Role.SMEP) !== 0,
    smap: (role & Role.SMAP) !== 0,
    nxe: (role & Role.NXE) !== 0,
    ac: (vp.views.u32[(vp.base >>> 2) + Slot.FLAG_SYSTEM * 2] & Rflags.AC) !== 0,
  };
};

export const wantedOf = (access: number): Wanted => ({
  write: (access & PageAccess.WRITE) !== 0,
  user: (access & PageAccess.USER) !== 0,
  fetch: (access & PageAccess.FETCH) !== 0,
  implicit: (access & PageAccess.IMPLICIT) !== 0,
});

export const KINDS: readonly number[] = [
  PageAccess.READ,
  PageAccess.WRITE,
  PageAccess.FETCH,
  PageAccess.IMPLICIT,
  PageAccess.IMPLICIT | PageAccess.WRITE,
  PageAccess.USER,
  PageAccess.USER | PageAccess.WRITE,
  PageAccess.USER | PageAccess.FETCH,
];

/** What a walk of the loaded tree grants and the guest's tables do not, or null. */
export const checkTranslations = (
  machine: SmallMachine,
  vp: VpBlock,
  walker: HardwareWalker,
  addresses: readonly number[],
): string | null => {
  const memory = memoryOf(machine);
  const registers = registersOf(vp);
  for (const gva of addresses)
    for (const access of KINDS) {
      if (walker.walk(gva, access) !== Walk.HIT) continue;
      const outcome: Outcome = translate(memory, registers, gva, wantedOf(access));
      const what = `access ${access} to ${gva.toString(16)}`;
      if ('error' in outcome) return `${what} is granted and should fault with ${outcome.error}`;
      if (outcome.marked.length > 0) return `${what} is granted with A or D still clear in the guest's tables`;
      if (PartitionMap.RAM + Number(outcome.gpa) - (gva & 4095) !== walker.spa)
        return `${what} reaches frame ${walker.gfn} and should reach ${outcome.gpa >> 12n}`;
    }
  return null;
};
