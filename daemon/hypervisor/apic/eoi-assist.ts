// Lazy EOI: a marker in memory that the guest shares with the hypervisor spares it the intercept; the APIC follows at the next exit (TLFS 10.3.5; claim 1 of US8103815B2).
// The marker says "no EOI required" of the highest interrupt in service, so it stands only while that is edge-triggered, passed through from no device, and
// nothing else is requested: then an EOI would change nothing but ISR. Whoever posts kicks a running VP, and the exit takes the marker away.
//
// eoiMarker   0: bit 0 of the assist page says nothing (what the guest writes there is its own affair)
//             address: bit 0 there is 1 by our hand. The guest makes it 0 in place of an EOI: the end of the interrupt that was highest when it was set
// Every method is for the LP that runs the VP, outside guest code.
import { EOI_MARKER } from '../../../shared/abi/apic.js';
import { assert } from '../../../shared/kit/assert.js';
import { PageFlag, PartitionMap } from '../../../shared/layout/partition.js';
import type { VpBlock } from '../../../shared/layout/vp.js';
import { hasVector, highestVector } from './vector-set.js';

/** Partition address of the word that may hold a marker now; NOWHERE while the guest has no assist page, or is offered none of this (policy `apic.eoi`). */
export type MarkerPlace = () => number;
export const NOWHERE = 0;
/** Does `put`, which changes the word at a partition address: the guest may have code there. `put` neither waits nor throws. */
export type MarkerStore = (address: number, bytes: number, put: () => void) => void;
export const PLAIN_STORE: MarkerStore = (_address, _bytes, put) => put();
const MARKER_BYTES = 4;

export class EoiAssist {
  protected readonly vp: VpBlock;
  readonly #place: MarkerPlace;
  /** Ends the highest interrupt in service, as the guest has asked by the marker. */
  readonly #end: () => void;
  readonly #store: MarkerStore;

  constructor(vp: VpBlock, place: MarkerPlace, end: () => void, store: MarkerStore = PLAIN_STORE) {
    this.vp = vp;
    this.#place = place;
    this.#end = end;
    this.#store = store;
  }

  /** The last step before guest code: everything that was posted has been pulled, and what can be delivered is in service. */
  beforeEntry(): void {
    const { vp } = this;
    this.settle();
    const at = this.#place();
    if (at !== NOWHERE && this.mayBeLazy()) {
      if (vp.eoiMarker === NOWHERE) this.#set(at);
    } else if (vp.eoiMarker !== NOWHERE) this.withdraw();
  }

  /** An EOI that the guest has left in the marker is carried out. Before anything looks at ISR. */
  settle(): void {
    const { vp } = this;
    if (vp.eoiMarker === NOWHERE || (this.look(vp.eoiMarker) & EOI_MARKER) !== 0) return;
    vp.eoiMarker = NOWHERE;
    this.#end();
  }

  /** As settle, and the marker says nothing any more: the next EOI comes as an intercept. Before ISR changes, and before the page goes away. */
  withdraw(): void {
    const { vp } = this;
    if (vp.eoiMarker === NOWHERE) return;
    const ended = (this.takeAway(vp.eoiMarker) & EOI_MARKER) === 0;
    vp.eoiMarker = NOWHERE;
    if (ended) this.#end();
  }

  /** Whether the EOI of the highest interrupt in service would change nothing that anybody waits for. */
  protected mayBeLazy(): boolean {
    const { views, isr, irr, tmr, passedThrough } = this.vp;
    const top = highestVector(views.i32, isr);
    return top >= 0 && !hasVector(views.i32, tmr, top) && !hasVector(views.i32, passedThrough, top) && highestVector(views.i32, irr) < 0;
  }

  protected look(at: number): number {
    return Atomics.load(this.vp.views.i32, at >>> 2);
  }
  /** Clears the marker; what was there before. One step: an EOI by the guest is either seen here or comes as an intercept. */
  protected takeAway(at: number): number {
    let before = 0;
    this.#store(at, MARKER_BYTES, () => {
      before = Atomics.and(this.vp.views.i32, at >>> 2, ~EOI_MARKER);
    });
    return before;
  }

  /** None in a page whose stores somebody watches: each would void the code there. It may become one while the marker stands, and while it is set. */
  #set(at: number): void {
    const { vp } = this;
    const { i32 } = vp.views;
    const flags = Atomics.load(i32, (PartitionMap.PAGE_FLAGS >>> 2) + ((at - PartitionMap.RAM) >>> 12));
    if ((flags & PageFlag.WATCHED) !== 0) return;
    assert(vp.eoiMarker === NOWHERE, 'a marker is set while another one stands');
    this.#store(at, MARKER_BYTES, () => void Atomics.or(i32, at >>> 2, EOI_MARKER));
    vp.eoiMarker = at;
  }
}
