// Where shadow tables are: `vtlb.numa` says from which node an SPT is taken, and whose tables an LP uses (US7788464B2).
//   local     an SPT is on the node of the guest table that it shadows, or of the one that has the large page's entry: a guest that places its tables well, by what the
//             firmware says of nodes (boot/firmware/srat.ts), has local walks
//   instance  one vTLB for each node: an LP fills and walks tables of its own node only; what is filled on both is filled twice, and invalidations go over both
//   off       tables come from all nodes in turn
// A node is a set of LPs, an equal part of guest RAM, and an equal run of SPTs (arena.ts).
import { LpLayout, lpBlockAt } from '../../../shared/layout/machine.js';
import { MAX_NODES, PartitionLayout, pagesPerNode } from '../../../shared/layout/partition.js';
import type { Views } from '../../../shared/layout/struct.js';
import { sptPageAt, vtlbWord } from '../../../shared/layout/vtlb.js';
import type { HardwareWalker } from '../../machine/walker.js';
import { NumaMode, type TablePolicy } from './table-policy.js';

/** First SPT of a node; of the node after the last: one past the end. */
export const firstSptOf = (node: number, nodes: number, count: number): number => 1 + Math.ceil((node * (count - 1)) / nodes);

export class Numa {
  readonly #policy: TablePolicy;
  readonly #pagesPerNode: number;
  readonly #nodes: number;
  readonly #own: number;
  readonly #views: Views;
  #turn = 0;

  /** `machine`: machine memory, whose LP blocks say where LPs are. */
  constructor(views: Views, machine: Views, lp: number, policy: TablePolicy) {
    this.#policy = policy;
    this.#views = views;
    const nodes = Math.min(MAX_NODES, Math.max(1, views.u32[PartitionLayout.at.nodeCount >>> 2]));
    this.#nodes = nodes;
    this.#own = Math.min(machine.u32[(lpBlockAt(lp) + LpLayout.at.node) >>> 2], nodes - 1);
    this.#pagesPerNode = pagesPerNode(views.u32[PartitionLayout.at.ramSize >>> 2], nodes);
  }

  /** Snapshots (shared/kit/saved). */
  get saved(): { readonly turn: number } {
    return { turn: this.#turn };
  }
  set saved({ turn }: { readonly turn: number }) {
    this.#turn = turn;
  }

  /** Tells the walker where the tables of this LP's node are. Not when it is made: LPs come before the arena is laid out. */
  place(walker: Pick<HardwareWalker, 'setLocal'>): void {
    if (this.#nodes === 1) return;
    const count = this.#views.u32[vtlbWord('sptCount') >>> 2];
    walker.setLocal(sptPageAt(firstSptOf(this.#own, this.#nodes, count)), sptPageAt(firstSptOf(this.#own + 1, this.#nodes, count)));
  }

  /** All tables are on one node. */
  get isUniform(): boolean {
    return this.#nodes === 1;
  }

  /** Node that an SPT made from the guest table should come from. */
  nodeFor(gptGfn: number): number {
    switch (this.#policy.numa) {
      case NumaMode.LOCAL:
        return Math.min(Math.floor((gptGfn >>> 0) / this.#pagesPerNode), this.#nodes - 1);
      case NumaMode.INSTANCE:
        return this.#own;
      default:
        this.#turn = (this.#turn + 1) % this.#nodes;
        return this.#turn;
    }
  }

  /** Whose SASes a VP on this LP loads (SpaceKey.owner): everybody's, its own, or the node's. */
  ownerFor(vp: number): number {
    if (this.#policy.perVp) return vp + 1;
    return this.#policy.numa === NumaMode.INSTANCE ? NODE_OWNERS + this.#own : 0;
  }
}

/** Owners from here on are nodes. */
const NODE_OWNERS = 0x100;
