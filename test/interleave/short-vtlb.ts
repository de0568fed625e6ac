// The vTLB whose fills and INVLPG are those of daemon/shortcuts, built with gates, as far as they go: what they leave is the TypeScript's to do, as in the product.
import { VTLB_CLASSES, type VtlbClasses } from '../../daemon/hypervisor/vtlb/create-vtlb.js';
import { PageFault } from '../../daemon/hypervisor/vtlb/page-faults.js';
import { Vtlb, type VtlbParts } from '../../daemon/hypervisor/vtlb/vtlb.js';
import { PageAccess } from '../../shared/layout/paging.js';
import { lpContextAt } from '../../shared/layout/partition.js';
import type { ShortcutFault } from '../../shared/layout/translation-fields.js';
import type { VpBlock } from '../../shared/layout/vp.js';
import { gatedShortcuts } from '../rig/short-mmu.js';
import type { Gate } from './gate.js';

export const shortVtlb = (memory: WebAssembly.Memory, gate: Gate, fault: ShortcutFault): VtlbClasses => {
  const short = gatedShortcuts(memory, () => gate.step(0, 0), fault);
  class ShortVtlb extends Vtlb {
    readonly #context: number;

    constructor(parts: VtlbParts) {
      super(parts);
      this.#context = lpContextAt(parts.handshake.lp);
    }
    override load(vp: VpBlock): number {
      const root = super.load(vp);
      short.attach(vp.base, this.#context);
      return root;
    }
    override pageFault(gva: number, access: number): PageFault {
      const data = (access & (PageAccess.FETCH | PageAccess.IMPLICIT)) === 0;
      return data && short.fillPage(gva, access) !== 0 ? PageFault.FILLED : super.pageFault(gva, access);
    }
    override invlpg(gva: number): void {
      if (short.clearPage(gva) === 0) super.invlpg(gva);
    }
  }
  return { ...VTLB_CLASSES, Vtlb: ShortVtlb };
};
