// The Hyper-V interface of one partition as one LP has it: what it exposes, its state in partition memory, its overlays, its clock. Every part in this folder works on it.
// Why an object only where the partition has the interface: without it there are no leaves, no synthetic MSRs, and VMCALL is #UD.
import type { HvFeature, HvPrivilege, HvRecommendation } from '../../../shared/abi/hyperv.js';
import { HypervLayout, HypervState, HypervVp, hypervVpAt, VpOverlay, vpOverlay } from '../../../shared/layout/hyperv.js';
import { PartitionMap } from '../../../shared/layout/partition.js';
import { FutexLock } from '../../machine/futex-lock.js';
import type { PartitionOnLp } from '../partition-on-lp.js';
import { type Messaging, messagingOf } from './messaging.js';
import { Overlays } from './overlays.js';
import { ReferenceTime } from './reference-time.js';

type ValueOf<T> = T[keyof T];

export class HyperV {
  readonly on: PartitionOnLp;
  readonly state: HypervState;
  readonly vps: readonly HypervVp[];
  readonly overlays: Overlays;
  readonly time: ReferenceTime;
  /** Synthetic interrupts and timers, if the partition has any. */
  readonly messaging: Messaging | undefined;
  readonly #lock: FutexLock;

  constructor(on: PartitionOnLp) {
    this.on = on;
    this.state = new HypervState(on.views, PartitionMap.HYPERV);
    this.vps = on.vps.map(({ index }) => new HypervVp(on.views, hypervVpAt(index)));
    this.#lock = new FutexLock(on.mmu.lp.handshake.words, PartitionMap.HYPERV + HypervLayout.at.lock);
    this.overlays = new Overlays(on);
    this.time = new ReferenceTime(this);
    this.messaging = messagingOf(this);
  }

  /** Whether the partition may do what the privilege bit is for. */
  has(privilege: ValueOf<typeof HvPrivilege>): boolean {
    const word = privilege < 32 ? this.state.privilegesLow : this.state.privilegesHigh;
    return ((word >>> (privilege & 31)) & 1) !== 0;
  }
  hasFeature(feature: ValueOf<typeof HvFeature>): boolean {
    return ((this.state.features >>> feature) & 1) !== 0;
  }
  recommends(recommendation: ValueOf<typeof HvRecommendation>): boolean {
    return ((this.state.recommendations >>> recommendation) & 1) !== 0;
  }

  /** Partition address of the VP's assist page, 0 while it is not enabled. */
  assistPage(vp: number): number {
    return (this.vps[vp].assistPageLo & 1) === 0 ? 0 : this.overlays.address(vpOverlay(vp, VpOverlay.ASSIST));
  }

  /** Changes of partition-wide registers and of overlays, one at a time. Outside guest mode all through: within it the others' TLBs are flushed. */
  exclusively<T>(section: () => T): T {
    const { handshake } = this.on.mmu.lp;
    const inside = handshake.isInGuest;
    if (inside) handshake.leaveGuest();
    this.#lock.lock();
    try {
      return section();
    } finally {
      this.#lock.unlock();
      if (inside) handshake.enterGuest();
    }
  }
}

/** The partition's interface, if it has one. */
export const hypervOf = (on: PartitionOnLp): HyperV | undefined =>
  new HypervState(on.views, PartitionMap.HYPERV).enabled === 0 ? undefined : new HyperV(on);
