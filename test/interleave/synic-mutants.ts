// Deliberate faults in the protocols of the synthetic interrupt controller, as in mutants.ts.
import { EventFlags } from '../../daemon/hypervisor/synic/event-flags.js';
import { MessageSlot } from '../../daemon/hypervisor/synic/message-slot.js';
import { type OpenPort, Ports } from '../../daemon/hypervisor/synic/ports.js';
import { SYNIC_PARTS, Synic, type SynicParts } from '../../daemon/hypervisor/synic/synic.js';
import { FutexLock } from '../../daemon/machine/futex-lock.js';
import { MESSAGE_PENDING_WORD, Message } from '../../shared/abi/synic.js';

export interface SynicMutant {
  readonly parts?: SynicParts;
  readonly Synic?: typeof Synic;
  readonly Ports?: typeof Ports;
}

class NoSecondLook extends MessageSlot {
  override markPending(slot: number): boolean {
    super.markPending(slot);
    return false;
  }
}
/** Says that another message waits before it has looked whether the slot is taken at all: the guest's answer comes too early. */
class LooksFirst extends MessageSlot {
  override markPending(slot: number): boolean {
    const empty = this.isEmpty(slot);
    this.words.or(slot + Message.SIZE, MESSAGE_PENDING_WORD);
    return empty;
  }
}
class TypeFirst extends MessageSlot {
  override put(slot: number, buffer: number, pending: boolean): void {
    this.words.store(slot + Message.TYPE, 1);
    super.put(slot, buffer, pending);
  }
}
class NoLock extends FutexLock {
  override lock(): void {}
  override unlock(): void {}
}
class TornSet extends EventFlags {
  override set(address: number, bit: number): boolean {
    const before = this.words.load(address);
    this.words.store(address, before | bit);
    return (before & bit) === 0;
  }
}
class LooksThenSets extends EventFlags {
  override set(address: number, bit: number): boolean {
    const wasClear = (this.words.load(address) & bit) === 0;
    this.words.or(address, bit);
    return wasClear;
  }
}
class RaisesFirst extends Synic {
  protected override tell(vp: number, sint: number, put: () => boolean): void {
    this.raise(vp, sint);
    put();
  }
}
class NoDrop extends Synic {
  override drop(): void {}
}
class LooksAtPageOnce extends Synic {
  #isLocked = false;
  override locked<T>(vp: number, action: () => T): T {
    return super.locked(vp, () => {
      this.#isLocked = true;
      try {
        return action();
      } finally {
        this.#isLocked = false;
      }
    });
  }
  protected override takes(vp: number, page: number): boolean {
    return this.#isLocked || super.takes(vp, page);
  }
}
class AnyGeneration extends Ports {
  override isStill(_port: OpenPort): boolean {
    return true;
  }
}

const part = (name: string, parts: Partial<SynicParts>) => ({ name, parts: { ...SYNIC_PARTS, ...parts } });

export const SYNIC_MUTANTS: readonly (SynicMutant & { readonly name: string })[] = [
  part('no second look at the slot', { MessageSlot: NoSecondLook }),
  part('the second look comes before the flag', { MessageSlot: LooksFirst }),
  part('the type is written first', { MessageSlot: TypeFirst }),
  part('controllers are not locked', { FutexLock: NoLock }),
  part('an event flag is set by a load and a store', { EventFlags: TornSet }),
  part('an event flag is looked at before it is set', { EventFlags: LooksThenSets }),
  { name: 'the interrupt comes before what it tells of', Synic: RaisesFirst },
  { name: 'a closed port leaves its messages', Synic: NoDrop },
  { name: 'a port of any generation is taken', Ports: AnyGeneration },
  { name: 'the page is looked for outside the lock only', Synic: LooksAtPageOnce },
];
