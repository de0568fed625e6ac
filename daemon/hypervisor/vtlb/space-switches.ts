// Address spaces that MOV CR3 may load without TypeScript (daemon/shortcuts/address-space): those that a VP has loaded here since what else names a space changed last.
// Why a table: what a value of CR3 means hangs on control registers and policies, which change rarely; all that other LPs change is looked at again at each switch.
import { LpContextLayout, SpaceSwitch, SWITCH_ENTRIES, SWITCH_SIZE } from '../../../shared/layout/lp-context.js';
import type { Views } from '../../../shared/layout/struct.js';

const { at } = LpContextLayout;

export class SpaceSwitches {
  readonly #i32: Int32Array;
  readonly #context: number;

  /** `context`: address of the LP context. */
  constructor({ i32 }: Views, context: number) {
    this.#i32 = i32;
    this.#context = context;
    // Zeroed entries are of epoch 0.
    this.forget();
  }

  /** No entry holds any more: a value of CR3 may name another address space from here on. */
  forget(): void {
    this.#i32[(this.#context + at.switchEpoch) >>> 2]++;
  }

  /** So many releases may have been since an address space's own for it to be among those whose translations are kept. Before a first offer after `forget`. */
  keep(age: number): void {
    this.#i32[(this.#context + at.switchAge) >>> 2] = age;
  }

  /** The value of CR3, as it is kept, has loaded the SAS of that name, which has that bank of the TLB. */
  offer(low: number, high: number, sas: number, name: number, bank: number): void {
    const i32 = this.#i32;
    const entry = (this.#context + at.switches + switchOf(low) * SWITCH_SIZE) >>> 2;
    i32[entry + (SpaceSwitch.LOW >> 2)] = low;
    i32[entry + (SpaceSwitch.HIGH >> 2)] = high;
    i32[entry + (SpaceSwitch.SAS >> 2)] = sas;
    i32[entry + (SpaceSwitch.NAME >> 2)] = name;
    i32[entry + (SpaceSwitch.BANK >> 2)] = bank;
    i32[entry + (SpaceSwitch.EPOCH >> 2)] = i32[(this.#context + at.switchEpoch) >>> 2];
  }
}

/** Number of the entry for the low half of CR3: tables, and PCIDs, are often neighbours. */
const switchOf = (low: number): number => ((low >>> 12) ^ (low >>> 16) ^ low) & (SWITCH_ENTRIES - 1);
