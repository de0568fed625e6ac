// Wires hardware and vTLB of one LP for one partition. Why one function: tests build the same parts with some replaced.
import { LpContext } from '../../../shared/layout/lp-context.js';
import { lpContextAt } from '../../../shared/layout/partition.js';
import type { Views } from '../../../shared/layout/struct.js';
import { FlushHandshake } from '../../machine/flush-handshake.js';
import { GenerationCounters } from '../../machine/generation.js';
import { SharedWords } from '../../machine/shared-words.js';
import { type FetchCache, HardwareTlb } from '../../machine/tlb.js';
import { HardwareWalker } from '../../machine/walker.js';
import { OverlayMap } from '../overlay-map.js';
import { AddressSpaces } from './address-spaces.js';
import { Coalescing } from './coalescing.js';
import { Counter, VtlbCounting } from './counters.js';
import { Discovery } from './discovery.js';
import { DuplicateFinder } from './duplicates.js';
import { FillLock } from './fill-lock.js';
import { FlushEpochs } from './flush-epochs.js';
import { Invalidation } from './invalidation.js';
import { LoadedSpace } from './loaded-space.js';
import { NodeLinks } from './node-links.js';
import { Numa } from './numa.js';
import { PageFaults } from './page-faults.js';
import { Reclaim } from './reclaim.js';
import { RemoteFlush } from './remote-flush.js';
import { Revalidation } from './revalidation.js';
import { ShadowTree } from './shadow-tree.js';
import { Sharing } from './sharing.js';
import { SptLocks } from './spt-locks.js';
import { SptPool } from './spt-pool.js';
import { TablePolicy } from './table-policy.js';
import { TlbBanks } from './tlb-banks.js';
import { TrackPolicy } from './track-policy.js';
import { Tracking } from './tracking.js';
import { Validation } from './validation.js';
import { NO_TIME, VirtualCosts, type VirtualTime } from './virtual-costs.js';
import { Vtlb } from './vtlb.js';
import { WalkCounts } from './walk-counts.js';
import { WholeFlush } from './whole-flush.js';
import { WritableMappings } from './writable-mappings.js';

/** The classes that carry the protocols; tests put mutants in. */
export const VTLB_CLASSES = {
  FlushHandshake,
  GenerationCounters,
  FillLock,
  Invalidation,
  SptPool,
  Reclaim,
  AddressSpaces,
  Tracking,
  WritableMappings,
  FlushEpochs,
  Validation,
  Revalidation,
  SptLocks,
  NodeLinks,
  Sharing,
  Coalescing,
  Discovery,
  RemoteFlush,
  LoadedSpace,
  PageFaults,
  Vtlb,
};
export type VtlbClasses = typeof VTLB_CLASSES;

export interface LpMmu {
  readonly tlb: HardwareTlb;
  readonly walker: HardwareWalker;
  readonly handshake: FlushHandshake;
  readonly generations: GenerationCounters;
  readonly spaces: AddressSpaces;
  readonly coalescing: Coalescing;
  readonly discovery: Discovery;
  readonly vtlb: Vtlb;
  readonly remote: RemoteFlush;
  readonly overlays: OverlayMap;
  readonly costs: VirtualCosts;
}

export interface LpMmuOptions {
  /** Partition memory, whose arena `initVtlb` has laid out, and machine memory. */
  readonly partition: Views;
  readonly machine: Views;
  readonly lp: number;
  /** Caches of instruction fetch to flush with the TLB. */
  readonly fetch?: FetchCache | undefined;
  /** How to make an LP in guest mode look at its `kick`, when setting it is not enough. */
  readonly wake?: ((lp: number) => void) | undefined;
  readonly words?: SharedWords | undefined;
  readonly machineWords?: SharedWords | undefined;
  readonly classes?: VtlbClasses | undefined;
  readonly time?: VirtualTime | undefined;
}

/** Everything between a hardware TLB miss and the guest's page tables, for one LP. Joins the LP to the partition's handshakes. */
export const createLpMmu = (options: LpMmuOptions): LpMmu => {
  const { partition: views, lp, classes = VTLB_CLASSES } = options;
  const words = options.words ?? new SharedWords(views);
  const machine = options.machineWords ?? new SharedWords(options.machine);
  const tlb = new HardwareTlb(views, words, lp, options.fetch);
  const context = new LpContext(views, lpContextAt(lp));
  context.lp = lp;
  const walker = new HardwareWalker(words, context);
  const overlays = new OverlayMap(views, words);
  const costs = new VirtualCosts(views, options.machine, lp, options.time ?? NO_TIME);
  const counting = new VtlbCounting(views, lp, costs);
  // A flush that another LP asks for may be for a new generation: the walker must not go on in what it has forgotten.
  const flushed = {
    flushAll: () => {
      space.flushTlb();
      space.leaveOldRoot();
    },
    dropWrites: (gfn: number) => tlb.dropWrites(gfn),
  };
  const handshake = new classes.FlushHandshake(words, lp, flushed, options.wake, (low, high) => {
    counting.add(Counter.flushHandshakes);
    costs.shotDown(low, high);
  });
  const epochs = new classes.FlushEpochs(views, words, handshake, counting);
  const banks = new TlbBanks(views, words, lp, tlb, epochs);
  const generations = new classes.GenerationCounters(words, lp);
  const policy = new TrackPolicy(machine);
  const tables = new TablePolicy(machine);
  const mappings = new classes.WritableMappings(views, words, tlb);
  const tracking = new classes.Tracking(views, words, mappings, counting);
  const lock = new classes.FillLock(words, machine, generations, handshake, counting);
  const numa = new Numa(views, options.machine, lp, tables);
  const locks = new classes.SptLocks(words, lock, counting);
  const pool = new classes.SptPool(views, words, tables, handshake, counting);
  const reclaim = new classes.Reclaim(views, words, pool, tables, lock, flushed, epochs, counting);
  const spaces = new classes.AddressSpaces(views, words, pool, reclaim, handshake, numa, tracking, counting);
  const links = new classes.NodeLinks(views, words, locks, overlays, counting);
  const invalidation = new classes.Invalidation(views, words, lp, locks, links, counting);
  const tree = new ShadowTree(views, words, pool, locks, numa, tables, tracking, counting);
  const validation = new classes.Validation(views, words, invalidation, overlays, counting);
  const discovery = new classes.Discovery({ views, words, handshake, lock, invalidation, spaces, mappings, policy, counting });
  const revalidation = new classes.Revalidation({
    views,
    words,
    handshake,
    lock,
    tables,
    tracking,
    mappings,
    invalidation,
    validation,
    discovery,
    epochs,
    banks,
    counting,
  });
  const sharing = new classes.Sharing({ views, words, handshake, lock, tree, invalidation, spaces, tracking, counting });
  const finder = new DuplicateFinder(views, words, counting);
  const coalescing = new classes.Coalescing({
    views,
    words,
    lock,
    tree,
    links,
    reclaim,
    spaces,
    tables,
    tracking,
    validation,
    finder,
    counting,
  });
  const whole = new WholeFlush(words, lock, invalidation, spaces, tables, counting);
  const space: LoadedSpace = new classes.LoadedSpace({
    views,
    words,
    tlb,
    walker,
    handshake,
    lock,
    invalidation,
    whole,
    spaces,
    tracking,
    policy,
    tables,
    numa,
    discovery,
    revalidation,
    epochs,
    banks,
    counting,
  });
  const walks = new WalkCounts(walker, counting);
  const faults = new classes.PageFaults({
    words,
    lock,
    space,
    whole,
    tree,
    spaces,
    sharing,
    coalescing,
    discovery,
    overlays,
    epochs,
    walks,
    counting,
  });
  handshake.join();
  const vtlb = new classes.Vtlb({
    views,
    words,
    tlb,
    walker,
    handshake,
    lock,
    space,
    faults,
    whole,
    invalidation,
    tracking,
    numa,
    epochs,
    walks,
    counting,
  });
  const remote = new classes.RemoteFlush({ tlb, handshake, lock, invalidation, revalidation, tracking, vtlb, counting });
  return { tlb, walker, handshake, generations, spaces, coalescing, discovery, vtlb, remote, overlays, costs };
};
