// Deliberate faults in how an LP goes to rest and is woken, in how a VP is reached, and in lazy EOI, as in mutants.ts.
import { EoiAssist } from '../../daemon/hypervisor/apic/eoi-assist.js';
import { noteRaised } from '../../daemon/hypervisor/apic/interrupt-log.js';
import { hasPosted, post } from '../../daemon/hypervisor/apic/post.js';
import { highestVector } from '../../daemon/hypervisor/apic/vector-set.js';
import { type Reaching, reach, tell } from '../../daemon/hypervisor/reach.js';
import { RunLoop } from '../../daemon/hypervisor/run-loop.js';
import { Rounds } from '../../daemon/lp/rounds.js';
import { ring, Turn } from '../../daemon/lp/turn.js';
import { LpLayout, lpBlockAt } from '../../shared/layout/machine.js';
import { VpState } from '../../shared/layout/vp.js';
import { LP_PARTS, type LpParts } from './small-lp.js';

// --- rounds

/** What it has heard is the doorbell as it was when it went to sleep. */
class ListensLate extends Turn {
  override sleep(_heard: number, ms: number): void {
    super.sleep(this.doorbell(), ms);
  }
}
class NoSecondLook<Work> extends Rounds<Work> {
  protected override looksAgain(): boolean {
    return false;
  }
}
/** The second look comes before it is published that nothing is awaited. */
class LooksThenSettles<Work> extends Rounds<Work> {
  #found = false;
  protected override settle(word: number, deadline: number): boolean {
    this.#found = super.looksAgain(0);
    return super.settle(word, deadline);
  }
  protected override looksAgain(): boolean {
    return this.#found;
  }
}

/** Whoever has a turn goes on. */
class GoesOnAtOnce<Work> extends Rounds<Work> {
  protected override areAllTold(): boolean {
    return true;
  }
}
/** Whether all are told is looked at before the turn is. */
class LooksBeforeItsTurn<Work> extends Rounds<Work> {
  #told = true;
  protected override listen(): number {
    this.#told = super.areAllTold();
    return super.listen();
  }
  protected override areAllTold(): boolean {
    return this.#told;
  }
}

// --- turns

class RingsFirst extends Turn {
  override summon(lp: number, clock: number): void {
    ring(this.views, lp);
    this.bringForward(lp, clock);
  }
}
/** Looks whether it is its turn, then says that it waits. */
class WaitsUnseen extends Turn {
  override wait(seen: number): void {
    if (this.mine()) return;
    const waiting = (lpBlockAt(this.lp) + LpLayout.at.waitingForTurn) >>> 2;
    Atomics.store(this.views.i32, waiting, 1);
    this.sleep(seen, 1000);
    Atomics.store(this.views.i32, waiting, 0);
  }
}
/** Tells those that wait, then publishes. */
class TellsFirst extends Turn {
  override publish(clock: number): void {
    this.changed();
    Atomics.store(
      this.views.i32,
      (lpBlockAt(this.lp) + LpLayout.at.turn) >>> 2,
      clock === Number.POSITIVE_INFINITY ? 1 : this.stepOf(clock) << 1,
    );
  }
}
/** Words that were read one after the other. */
class ManyMoments extends Turn {
  override mine(): boolean {
    return this.lowest();
  }
}

// --- how a VP is reached

/** A VP that runs will come to its end. */
const leavesTheRunning: LpParts['reach'] = (from, vp) => {
  if (from.stateOf(vp) !== VpState.RUNNING) reach(from, vp);
};
/** The state is as it was before the post. */
const looksThenPosts: LpParts['request'] = (bus, index, vector, level, kind) => {
  const from = bus as typeof bus & Reaching;
  const vp = bus.vpBlock(index);
  const state = from.stateOf(vp);
  noteRaised(vp, vector, kind, bus.now(), bus.interrupts);
  if (post(vp, vector, level)) tell(from, vp, from.lpOf(vp), state);
};
const kicksThenPosts: LpParts['request'] = (bus, index, vector, level, kind) => {
  bus.kick(index);
  noteRaised(bus.vpBlock(index), vector, kind, bus.now(), bus.interrupts);
  post(bus.vpBlock(index), vector, level);
};
/** The kick is taken back after the look, and with it that of a post in between. */
class LooksThenTakesTheKick extends RunLoop {
  protected override look(index: number): boolean {
    if (hasPosted(this.on.vps[index])) this.take(index);
    this.on.processor.takeKick();
    return true;
  }
}

// --- lazy EOI

/** What was posted is taken once the marker is set. */
class MarksThenLooks extends RunLoop {
  protected override take(index: number): void {
    this.on.apics[index].assist.beforeEntry();
    const { assist } = this.on.apics[index];
    const setMarker = assist.beforeEntry;
    super.take(index);
    // Once: the next entry is as ever.
    assist.beforeEntry = () => {
      assist.beforeEntry = setMarker;
    };
  }
}
class LazyOverRequests extends EoiAssist {
  protected override mayBeLazy(): boolean {
    return highestVector(this.vp.views.i32, this.vp.isr) >= 0;
  }
}
/** The marker is taken away, and an EOI that the guest has left there with it. */
class ForgetsTheGuests extends EoiAssist {
  protected override takeAway(at: number): number {
    super.takeAway(at);
    return 1;
  }
}
/** The APIC's registers are looked at as they are without what the guest has left in the marker. */
class SettlesAtEntry extends EoiAssist {
  #isEntry = false;
  override beforeEntry(): void {
    this.#isEntry = true;
    super.beforeEntry();
    this.#isEntry = false;
  }
  override settle(): void {
    if (this.#isEntry) super.settle();
  }
}
/** An EOI by the marker is carried out, and once more when the marker is taken away. */
class EndsTwice extends EoiAssist {
  override settle(): void {
    const { eoiMarker } = this.vp;
    super.settle();
    this.vp.eoiMarker = eoiMarker;
  }
}

const part = (name: string, parts: Partial<LpParts>) => ({ name, lp: { ...LP_PARTS, ...parts } });

export const LP_MUTANTS: readonly { readonly name: string; readonly lp: LpParts }[] = [
  part('the doorbell is looked at when work has been looked for', { Turn: ListensLate }),
  part('work is not looked for once more', { Rounds: NoSecondLook }),
  part('work is looked for once more before the LP is at rest', { Rounds: LooksThenSettles }),
  part('an LP goes on before all are told', { Rounds: GoesOnAtOnce }),
  part('whether all are told is looked at before the turn', { Rounds: LooksBeforeItsTurn }),
  part('the doorbell is rung before the step is moved', { Turn: RingsFirst }),
  part('an LP says that it waits once it has looked', { Turn: WaitsUnseen }),
  part('those that wait are told before a word is published', { Turn: TellsFirst }),
  part("other LPs' words are not of one moment", { Turn: ManyMoments }),
  part('a VP that runs is not kicked', { reach: leavesTheRunning }),
  part('the state of a VP is read before the post', { request: looksThenPosts }),
  part('a VP is kicked before the post', { request: kicksThenPosts }),
  part('the kick is taken back after the look for posts', { RunLoop: LooksThenTakesTheKick }),
  part('a marker is set before posts are looked for', { RunLoop: MarksThenLooks }),
  part('a marker stands over requests', { Assist: LazyOverRequests }),
  part('a marker is taken away unseen', { Assist: ForgetsTheGuests }),
  part('an EOI by the marker counts at the next entry only', { Assist: SettlesAtEntry }),
  part('an EOI by the marker is carried out twice', { Assist: EndsTwice }),
];
