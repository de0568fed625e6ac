// Memory as the hypervisor's own code has it: the LP's MMU with the host's page tables, no guest and no shadow tables.
// Why translations outlive MOV CR0 and MOV CR3 here, which flush: the tables are edited by nobody but `editHostTable`, which counts (`switchEpoch`). What was found before
// the last edit is forgotten with the next such write, so nothing that the architecture forgets is ever used when it could be told from what is there (SDM 3A 4.10.2.1).
// The spaces that paging goes on and off in are written down for daemon/shortcuts/root, which changes between them.
import { Cr0, Efer } from '../../../shared/abi/registers.js';
import { LpContext, RootSpace, SpaceSwitch, SWITCH_SIZE } from '../../../shared/layout/lp-context.js';
import { PageAccess } from '../../../shared/layout/paging.js';
import { lpContextAt, PartitionMap } from '../../../shared/layout/partition.js';
import type { Views } from '../../../shared/layout/struct.js';
import type { VpBlock } from '../../../shared/layout/vp.js';
import { Role } from '../../../shared/layout/vtlb.js';
import { Access, Resolve, type Translator } from '../../machine/guest-memory.js';
import type { GuestFault } from '../../machine/processor.js';
import type { SharedWords } from '../../machine/shared-words.js';
import type { HardwareTlb } from '../../machine/tlb.js';
import { OverlayMap } from '../overlay-map.js';
import { GuestWalk, GuestWalkResult } from '../vtlb/guest-walk.js';
import { SpaceKey } from '../vtlb/role.js';

const BITS = { [Access.READ]: PageAccess.READ, [Access.WRITE]: PageAccess.WRITE, [Access.EXECUTE]: PageAccess.FETCH } as const;

export interface HostMmuSaved {
  readonly known: readonly SpaceKey['saved'][];
  readonly edits: number;
  readonly rest: readonly number[];
  readonly tlb: HardwareTlb['saved'];
}

export class HostMmu implements Translator {
  readonly tlb: HardwareTlb;
  readonly #views: Views;
  readonly #context: LpContext;
  readonly #vp: VpBlock;
  readonly #fault: GuestFault;
  readonly #walk: GuestWalk;
  /** The space in use as the registers say it: read anew for each walk, for paging goes on and off without TypeScript. */
  readonly #key = new SpaceKey();
  /** Those that banks of the TLB have been given to. */
  readonly #known: SpaceKey[] = [];
  #edits = 0;
  /** CR0, CR4 and EFER but for what tells the spaces apart. */
  #rest: readonly number[] = [];
  gpa = 0;

  constructor(views: Views, words: SharedWords, lp: number, vp: VpBlock, fault: GuestFault, tlb: HardwareTlb) {
    this.#views = views;
    this.#context = new LpContext(views, lpContextAt(lp));
    this.#vp = vp;
    this.#fault = fault;
    this.tlb = tlb;
    this.#walk = new GuestWalk(words, { add: () => undefined }, new OverlayMap(views, words));
  }

  /** Snapshots (shared/kit/saved). */
  get saved(): HostMmuSaved {
    return { known: this.#known.map(({ saved }) => saved), edits: this.#edits, rest: this.#rest, tlb: this.tlb.saved };
  }
  set saved({ known, edits, rest, tlb }: HostMmuSaved) {
    this.#known.length = 0;
    for (const saved of known) this.#known.push(Object.assign(new SpaceKey(), { saved }));
    this.#edits = edits;
    this.#rest = rest;
    this.tlb.saved = tlb;
  }

  get flushes(): number {
    return this.tlb.flushes;
  }

  /** CR0, CR3, CR4 or EFER has been written. */
  reload(): void {
    const { switchEpoch } = this.#context;
    if (switchEpoch !== this.#edits) {
      this.#edits = switchEpoch;
      this.#known.length = 0;
      this.tlb.flushAll();
    }
    const key = this.#key.read(this.#vp, 0);
    let space = this.#known.findIndex((known) => known.equals(key));
    if (space < 0) {
      const kept = new SpaceKey();
      kept.copy(key);
      space = this.#known.push(kept) - 1;
    }
    this.tlb.select(space);
    this.#writeDown(space);
  }

  /** Paging off and on comes back to this space without TypeScript, while everything but CR0.PG, CR3 and EFER is what it is now. */
  #writeDown(space: number): void {
    const { cr0, cr4, cr3Lo, cr3Hi, efer } = this.#vp;
    const rest = [cr0 | Cr0.PG, cr4, efer & ~(Efer.LMA | Efer.LME)];
    if (rest.some((value, i) => value !== this.#rest[i])) {
      this.#rest = rest;
      this.#edits = ++this.#context.switchEpoch;
    }
    const root = (cr0 & Cr0.PG) === 0 ? RootSpace.UNPAGED : (efer & Efer.LMA) !== 0 ? RootSpace.LONG : RootSpace.LEGACY;
    const entry = (this.#context.switches + root * SWITCH_SIZE) >>> 2;
    const { u32 } = this.#views;
    u32[entry + (SpaceSwitch.LOW >> 2)] = cr3Lo;
    u32[entry + (SpaceSwitch.HIGH >> 2)] = cr3Hi;
    u32[entry + (SpaceSwitch.EPOCH >> 2)] = this.#context.switchEpoch;
    u32[entry + (SpaceSwitch.NAME >> 2)] = space;
    u32[entry + (SpaceSwitch.BANK >> 2)] = this.tlb.bank;
  }

  resolve(gva: number, access: Access, user: boolean, implicit: boolean): number {
    const walk = this.#walk;
    const bits = BITS[access] | (user ? PageAccess.USER : implicit ? PageAccess.IMPLICIT : 0);
    let result: GuestWalkResult;
    const key = this.#key.read(this.#vp, 0);
    do result = walk.walk(this.#vp, key, gva, bits);
    while (result === GuestWalkResult.CHANGED);
    if (result === GuestWalkResult.FAULT) {
      this.#vp.cr2Num = gva;
      this.#fault.set(14, walk.errorCode);
      return Resolve.FAULT;
    }
    if (!walk.isMemory) {
      this.gpa = walk.gfn * 4096 + (gva & 4095);
      return Resolve.MMIO;
    }
    const spa = PartitionMap.RAM + walk.gfn * 4096 + (gva & 4095);
    if (access !== Access.EXECUTE)
      this.tlb.insert(user ? 1 : 0, gva, spa, (walk.rights & Role.W) !== 0 && walk.dirty, walk.gfn, walk.global);
    return spa;
  }

  peek(gva: number, user: boolean, access: Access = Access.EXECUTE): number {
    const walk = this.#walk;
    const bits = BITS[access] | (user ? PageAccess.USER : 0);
    if (walk.walk(this.#vp, this.#key.read(this.#vp, 0), gva, bits) !== GuestWalkResult.OK || !walk.isMemory) return Resolve.FAULT;
    return PartitionMap.RAM + walk.gfn * 4096 + (gva & 4095);
  }
}
