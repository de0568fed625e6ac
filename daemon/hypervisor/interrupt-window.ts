// What a VP takes between two instructions: NMI, the virtual APIC's highest vector, the 8259's external interrupt, in this order (SDM 3A 6.9).
import { Rflags } from '../../shared/abi/registers.js';
import { EventType } from '../../shared/layout/machine.js';
import { EventKind, Slot, VpState } from '../../shared/layout/vp.js';
import { deliver } from '../machine/cpu/deliver.js';
import type { PartitionOnLp } from './partition-on-lp.js';

export class InterruptWindow {
  readonly #on: PartitionOnLp;

  constructor(on: PartitionOnLp) {
    this.#on = on;
  }

  /** What others post comes with a kick, which the dispatcher sees; here it is what the VP has just done itself. */
  needsLook(): boolean {
    const on = this.#on;
    const { vp } = on.processor;
    if (vp.state !== VpState.RUNNING || vp.interruptShadow !== 0) return true;
    if (vp.nmiPending && !vp.nmiBlocked) return true;
    if (on.extended && !on.section.holds(vp)) return true;
    if (!(on.systemFlags(vp) & Rflags.IF)) return false;
    const irr = vp.irr >>> 2;
    const { i32 } = on.views;
    for (let word = irr; word < irr + 8; word++) if (i32[word] !== 0) return true;
    return on.seesExtInt(on.current);
  }

  /** Delivers what the VP can take at this instruction boundary. */
  open(index: number): void {
    const on = this.#on;
    const vp = on.vps[index];
    if (vp.nmiPending && !vp.nmiBlocked) {
      vp.nmiPending--;
      vp.nmiBlocked = 1;
      this.#deliver(EventKind.NMI, 2);
      return;
    }
    if (!(on.systemFlags(vp) & Rflags.IF)) return;
    const apic = on.apics[index];
    const vector = apic.pendingVector();
    if (vector >= 0) {
      apic.accept(vector);
      on.wiring.event(on.clock.cycles(), EventType.INTERRUPT, index, vector, 0);
      this.#account(vector);
      this.#deliver(EventKind.EXTERNAL, vector);
    } else if (on.hasExtInt(index)) {
      const external = on.acknowledgeExtInt(index);
      on.views.u32[(vp.vectorCounts >>> 2) + external]++;
      on.count(vp, 'externalInterrupts');
      this.#account(external);
      this.#deliver(EventKind.EXTERNAL, external);
    } else return;
    on.charge('interruptDelivery');
  }

  #account(vector: number): void {
    const { lpBlock, wiring } = this.#on;
    lpBlock.interruptsDelivered++;
    wiring.machine.u32[(lpBlock.vectorCounts >>> 2) + vector]++;
  }

  #deliver(kind: number, vector: number): void {
    const { processor, mmu, views } = this.#on;
    const { handshake } = mmu.lp;
    handshake.enterGuest();
    try {
      const at = (processor.vp.base + Slot.RIP * 8) >>> 2;
      deliver(processor, kind, vector, -1, views.i32[at + 1] * 4294967296 + views.u32[at]);
    } finally {
      handshake.leaveGuest();
    }
  }
}
