// Deliberate faults in how VPs are given from LP to LP, as in mutants.ts.
import { noteRaised } from '../../daemon/hypervisor/apic/interrupt-log.js';
import { post } from '../../daemon/hypervisor/apic/post.js';
import { type Reaching, tell } from '../../daemon/hypervisor/reach.js';
import { VpReadiness } from '../../daemon/hypervisor/vp-readiness.js';
import { Balance } from '../../daemon/lp/schedule/balance.js';
import type { Candidate, Schedulable } from '../../daemon/lp/schedule/candidate.js';
import { type QueueParts, RunQueue } from '../../daemon/lp/schedule/run-queue.js';
import { LP_PARTS, type LpParts } from './small-lp.js';

class AnnouncesFirst extends Balance {
  override give(candidate: Candidate, lp: number, now: number): boolean {
    candidate.record.notBeforeNum = now;
    this.announce(candidate, lp);
    candidate.guest.give(candidate.vp, lp);
    this.tell(lp, now);
    return true;
  }
}
class TellsBeforeItAnnounces extends Balance {
  protected override announce(): void {}
  override give(candidate: Candidate, lp: number, now: number): boolean {
    const given = super.give(candidate, lp, now);
    if (given) super.announce(candidate, lp);
    return given;
  }
}
class TellsNobody extends Balance {
  protected override tell(): void {}
}
/** The clock up to which the VP has run is stored when another LP may be running it. */
class DatesLate extends Balance {
  override give(candidate: Candidate, lp: number, now: number): boolean {
    const { record } = candidate;
    candidate.guest.give(candidate.vp, lp);
    this.announce(candidate, lp);
    this.tell(lp, now);
    record.notBeforeNum = now;
    return true;
  }
}
class GivesToTheDead extends Balance {
  protected override isDead(): boolean {
    return false;
  }
}
/** What came while it looked is noted with what it found. */
class NotesLate<G extends Schedulable> extends RunQueue<G> {
  protected override takeArrivals(now: number): void {
    if (!this.hasArrivals) return;
    this.renew(now);
    this.noteArrivals();
  }
}
/** An LP with nothing to do takes a ready VP, whoever's it is. */
class Steals<G extends Schedulable> extends RunQueue<G> {
  readonly #parts: QueueParts<G>;
  constructor(parts: QueueParts<G>) {
    super(parts);
    this.#parts = parts;
  }
  override choose(now: number): Candidate<G> | undefined {
    return super.choose(now) ?? this.#steal(now);
  }
  #steal(now: number): Candidate<G> | undefined {
    const [guest] = this.#parts.guests();
    const { lp } = this.#parts;
    const vp = Array.from({ length: guest.vpCount }, (_, one) => one).find((one) => guest.lpOf(one) !== lp && guest.isReady(one));
    if (vp === undefined) return undefined;
    guest.give(vp, lp);
    this.renew(now);
    return super.choose(now);
  }
}
class HaltedIsReady extends VpReadiness {
  override runnable(index: number, take = true): boolean {
    return super.runnable(index, take) || take;
  }
}
/** Who is told is whose VP it was before the post. */
const looksWhoseThenPosts: LpParts['request'] = (bus, index, vector, level, kind) => {
  const from = bus as typeof bus & Reaching;
  const vp = bus.vpBlock(index);
  const lp = from.lpOf(vp);
  noteRaised(vp, vector, kind, bus.now(), bus.interrupts);
  if (!post(vp, vector, level)) return;
  if (lp === from.lp) from.setKick(lp);
  else tell(from, vp, lp, from.stateOf(vp));
};

const part = (name: string, parts: Partial<LpParts>) => ({ name, lp: { ...LP_PARTS, ...parts } });

export const GIFT_MUTANTS: readonly { readonly name: string; readonly lp: LpParts }[] = [
  part('a VP is announced before it is given', { Balance: AnnouncesFirst }),
  part('an LP is told before a VP is announced', { Balance: TellsBeforeItAnnounces }),
  part('an LP is not told of a VP that it is given', { Balance: TellsNobody }),
  part('a VP is given before its clock is stored', { Balance: DatesLate }),
  part('whether an LP has died is not looked at again', { Balance: GivesToTheDead }),
  part('arrivals are noted when VPs have been looked for', { RunQueue: NotesLate }),
  part('an LP takes a VP that it is not given', { RunQueue: Steals }),
  part('a halted VP counts as ready', { VpReadiness: HaltedIsReady }),
  part('whose a VP is is read before the post', { request: looksWhoseThenPosts }),
];
