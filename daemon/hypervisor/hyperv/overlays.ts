// Overlay pages: pages of the hypervisor's own that cover guest-physical addresses (TLFS 5.2.1). What they hold is kept in frames behind guest RAM and is there whether they
// are mapped or not; what they cover reappears as it was when they go.
// Why the whole partition is flushed: an address means another frame from then on, for every address space, every TLB and every piece of translated code. It is rare.
import { HvPageRegister } from '../../../shared/abi/hyperv.js';
import { PHYSICAL_ADDRESS_BITS } from '../../../shared/abi/registers.js';
import { PartitionMap } from '../../../shared/layout/partition.js';
import { WatchedCode } from '../../machine/watched-code.js';
import type { PartitionOnLp } from '../partition-on-lp.js';

/** The frame that a page register names, or -1 when it is beyond the guest-physical address space: #GP for the guest. */
export const frameOf = (register: bigint): number => {
  const frame = register >> 12n;
  return frame >> BigInt(PHYSICAL_ADDRESS_BITS - 12) === 0n ? Number(frame) : -1;
};
export const isEnabled = (register: bigint): boolean => (register & HvPageRegister.ENABLE) !== 0n;

export class Overlays {
  readonly #on: PartitionOnLp;
  readonly #code: WatchedCode;

  constructor(on: PartitionOnLp) {
    this.#on = on;
    this.#code = new WatchedCode(on.mmu.lp.handshake.words);
  }

  /** Address in partition memory of the overlay's page. */
  address(overlay: number): number {
    return PartitionMap.RAM + this.#on.mmu.lp.overlays.frameOf(overlay) * 4096;
  }

  /** Maps the overlay where its page register says, or takes it away. Within `HyperV.exclusively`: on return nobody uses what was seen there before. */
  follow(overlay: number, register: bigint): void {
    const { mmu } = this.#on;
    if (mmu.lp.overlays.map(overlay, isEnabled(register) ? frameOf(register) : -1)) mmu.flushPartition();
  }

  /**
   * The hypervisor changes bytes of an overlay, at an address in partition memory: guests may run code there, or watch it. No page tables are in overlays.
   * `put` neither waits nor throws.
   */
  store(address: number, bytes: number, put: () => void): void {
    const on = this.#on;
    const gfn = (address - PartitionMap.RAM) >>> 12;
    if (this.#code.beginStore(gfn, address & 4095, bytes)) {
      on.kickOtherLps();
      on.kickSelf();
    }
    put();
    this.#code.endStore();
    on.monitors.stored(gfn, address & 4095, bytes);
  }

  /** Address in partition memory of a guest-physical byte, in RAM or an overlay; -1 where there is neither. `write`: it must be the guest's to write. */
  resolve(gpa: number, write: boolean): number {
    const map = this.#on.mmu.lp.overlays;
    const gfn = Math.floor(gpa / 4096);
    const overlay = map.any ? map.at(gfn) : -1;
    if (overlay < 0) return gfn < map.ramPages ? PartitionMap.RAM + gpa : -1;
    return write && map.isReadOnly(overlay) ? -1 : this.address(overlay) + (gpa % 4096);
  }
}
