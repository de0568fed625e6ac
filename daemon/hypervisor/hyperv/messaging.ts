// The synthetic interrupt controllers, synthetic timers and ports of a partition on one LP, put together from ../synic and what the partition has.
import { HvFeature, HvPrivilege, HvStatus } from '../../../shared/abi/hyperv.js';
import { VpOverlay, vpOverlay } from '../../../shared/layout/hyperv.js';
import { InterruptKind } from '../../../shared/layout/interrupt-log.js';
import { findPolicy, SynicPending, settingIn } from '../../../shared/protocol/policies.js';
import { acceptsFixed } from '../apic/destination.js';
import { request } from '../apic/post.js';
import type { PartitionOnLp } from '../partition-on-lp.js';
import { PortDirectory } from '../synic/port-directory.js';
import { type SynicPage, SynicRegisterFile } from '../synic/synic-registers.js';
import { SyntheticTimers, type TimerMoment } from '../synic/synthetic-timers.js';
import { isVmbusConnection, VmbusContact } from '../synic/vmbus-contact.js';
import type { HyperV } from './hyperv.js';
import { frameOf, isEnabled } from './overlays.js';

const PENDING_POLICY = findPolicy('synic.pending');
const OVERLAY = { messagePage: VpOverlay.MESSAGES, eventPage: VpOverlay.EVENT_FLAGS } as const;

export class Messaging {
  readonly directory: PortDirectory;
  readonly registers: SynicRegisterFile;
  readonly timers: readonly SyntheticTimers[];
  readonly #hv: HyperV;
  /** Where the guest may look for a VMBus. */
  readonly #vmbus: VmbusContact | undefined;

  constructor(hv: HyperV) {
    const { on } = hv;
    this.#hv = hv;
    this.directory = new PortDirectory(on.views, on.mmu.lp.handshake.words, {
      vpCount: on.vpCount,
      polling: hv.hasFeature(HvFeature.SINT_POLLING),
      raise: (vp, vector, auto) => {
        if (acceptsFixed(on.vps[vp])) request(on, vp, vector, false, InterruptKind.SINT, auto);
      },
      alwaysPending: () => settingIn(on.views, on.wiring.machine, PENDING_POLICY) === SynicPending.ALWAYS,
      store: (address, bytes, put) => hv.overlays.store(address, bytes, put),
    });
    const { synic } = this.directory;
    const direct = hv.hasFeature(HvFeature.DIRECT_TIMERS);
    this.timers = on.apics.map(
      (apic, vp) => new SyntheticTimers(on.views, vp, synic, (vector) => apic.raise(vector, InterruptKind.TIMER), direct),
    );
    this.registers = new SynicRegisterFile(on.views, synic, this.timers, {
      overlay: (vp, page, register) => this.#overlay(vp, page, register),
      moment: () => this.#moment(),
      vectorsChanged: (vp, watched, auto) => {
        const { endWatched, autoVectors, passedThrough } = on.vps[vp];
        for (let word = 0; word < watched.length; word++) {
          on.views.i32[(endWatched >>> 2) + word] = watched[word] | on.views.i32[(passedThrough >>> 2) + word];
          Atomics.store(on.views.i32, (autoVectors >>> 2) + word, auto[word]);
        }
      },
    });
    this.#vmbus = hv.has(HvPrivilege.SYNIC) ? new VmbusContact(this.directory) : undefined;
  }

  /** Partition time at which a timer of the VP is due, ns, or Infinity. */
  deadline(vp: number): number {
    return this.timers[vp].deadline();
  }
  /** Lets timers that are due by now, partition time in ns, expire. */
  advance(vp: number, now: number): void {
    if (this.timers[vp].deadline() <= now) this.timers[vp].advance(this.#moment());
  }

  /** HvCallPostMessage by the VP that runs. */
  post(connection: number, type: number, payload: Uint8Array): HvStatus {
    const found = this.directory.connection(connection);
    if (found === undefined) {
      if (this.#vmbus === undefined || !isVmbusConnection(connection)) return HvStatus.INVALID_CONNECTION_ID;
      this.#vmbus.take(type, payload);
      return HvStatus.SUCCESS;
    }
    return this.#at(found.partition, (ports) => ports.post(found.port, type, payload));
  }
  /** HvCallSignalEvent. */
  signal(connection: number, flag: number): HvStatus {
    const found = this.directory.connection(connection);
    if (found === undefined) return HvStatus.INVALID_CONNECTION_ID;
    return this.#at(found.partition, (ports) => ports.signal(found.port, flag));
  }

  /** At the ports of a partition, this one if the name is empty. The sender pays for the interrupts that it causes elsewhere, too. */
  #at(partition: string, action: (ports: PortDirectory) => HvStatus): HvStatus {
    const { on } = this.#hv;
    if (partition === '' || partition === on.wiring.name) return action(this.directory);
    const { kicks } = on.lpBlock;
    const status = on.wiring.withPartner(partition, on.clock.cycles(), action);
    for (let sent = (on.lpBlock.kicks - kicks) >>> 0; sent > 0; sent--) on.charge('ipi');
    // One of the partner's VPs may be this LP's, and ready now.
    on.kickSelf();
    return status ?? HvStatus.INVALID_CONNECTION_ID;
  }

  #moment(): TimerMoment {
    const { on, time } = this.#hv;
    return { now: on.clock.now(), reference: time.now() };
  }

  #overlay(vp: number, page: SynicPage, register: bigint): number {
    const hv = this.#hv;
    if (isEnabled(register) && frameOf(register) < 0) return -1;
    const overlay = vpOverlay(vp, OVERLAY[page]);
    hv.exclusively(() => hv.overlays.follow(overlay, register));
    return isEnabled(register) ? hv.overlays.address(overlay) : 0;
  }
}

const NEEDED_FOR = [HvPrivilege.SYNIC, HvPrivilege.SYNTHETIC_TIMERS, HvPrivilege.POST_MESSAGES, HvPrivilege.SIGNAL_EVENTS] as const;

/** Where the partition has any of this. */
export const messagingOf = (hv: HyperV): Messaging | undefined =>
  NEEDED_FOR.some((privilege) => hv.has(privilege)) ? new Messaging(hv) : undefined;

/** What partners in other partitions post to, at a clock of this LP, on which no VP of the partition runs then. */
export const portsOf = (on: PartitionOnLp, clock: number): PortDirectory | undefined => {
  on.clock.set(clock);
  return on.hyperv?.messaging?.directory;
};
