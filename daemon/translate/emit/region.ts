// The control-flow graph of a unit and its structure: which blocks, in which order, which edges are loops.
// Why dominators: any reducible graph nests into WebAssembly's blocks and loops along its dominator tree (Ramsey, "Beyond Relooper", ICFP 2022).
// Edges that would make the graph irreducible become exits of the unit: always right, and rare in compiled code.

/** A translated block as the hot tier sees it. */
export interface SourceBlock {
  readonly rip: number;
  /** Length of the x86 bytes; rip + bytes is the fall-through address. */
  readonly bytes: number;
  /** Address of the first record in the arena, and how many there are. */
  readonly records: number;
  readonly count: number;
  readonly instructions: number;
  /** Code of 64-bit mode: registers have upper halves. */
  readonly wide: boolean;
  /** Known targets at its end (RIPs): jump: one; branch: taken, then not taken; indirect: none. */
  readonly targets: readonly number[];
  /** Ends in an indirect jump. */
  readonly indirect: boolean;
  /** Return address of the call it ends with, -1 otherwise. */
  readonly returnRip: number;
}

export const REGION_BLOCKS_MAX = 64;
export const REGION_RECORDS_MAX = 1200;
/** Return addresses that an indirect jump is compared with before the unit is left. */
export const RETURN_GUESSES_MAX = 4;

export interface Region {
  readonly wide: boolean;
  /** Blocks in reverse post-order; 0 is the entry. */
  readonly blocks: readonly SourceBlock[];
  /** Successors by index, in the order of `targets` then return guesses; -1 = leaves the unit. */
  readonly successors: readonly (readonly number[])[];
  readonly immediateDominator: readonly number[];
  readonly loopHeader: readonly boolean[];
  /** More than one forward edge leads here. */
  readonly merge: readonly boolean[];
  /** Children in the dominator tree, in reverse post-order. */
  readonly children: readonly (readonly number[])[];
  /** RIPs that indirect jumps are compared with, and their blocks. */
  readonly returns: readonly { readonly rip: number; readonly block: number }[];
}

/** Collects what is reachable from `entry` through known edges and calls, breadth first, as far as `find` knows blocks. */
export const region = (entry: SourceBlock, find: (rip: number) => SourceBlock | undefined): Region => {
  const byRip = new Map<number, SourceBlock>([[entry.rip, entry]]);
  const queue = [entry];
  const returnRips: number[] = [];
  let records = entry.count;
  for (let i = 0; i < queue.length; i++) {
    const b = queue[i];
    const wanted = b.returnRip >= 0 ? [...b.targets, b.returnRip] : b.targets;
    for (const rip of wanted) {
      if (byRip.has(rip) || byRip.size >= REGION_BLOCKS_MAX) continue;
      const next = find(rip);
      if (next === undefined || records + next.count > REGION_RECORDS_MAX) continue;
      records += next.count;
      byRip.set(rip, next);
      queue.push(next);
    }
    if (b.returnRip >= 0 && byRip.has(b.returnRip) && returnRips.length < RETURN_GUESSES_MAX && !returnRips.includes(b.returnRip))
      returnRips.push(b.returnRip);
  }
  const edges = (b: SourceBlock): number[] => (b.indirect ? returnRips : (b.targets as number[])).map((r) => (byRip.has(r) ? r : -1));

  // Reverse post-order by iterative depth-first search.
  const order: SourceBlock[] = [];
  const seen = new Set<number>([entry.rip]);
  const stack: { block: SourceBlock; next: number; out: number[] }[] = [{ block: entry, next: 0, out: edges(entry) }];
  while (stack.length > 0) {
    const top = stack[stack.length - 1];
    if (top.next < top.out.length) {
      const rip = top.out[top.next++];
      if (rip === -1 || seen.has(rip)) continue;
      seen.add(rip);
      const block = byRip.get(rip)!;
      stack.push({ block, next: 0, out: edges(block) });
    } else {
      order.push(top.block);
      stack.pop();
    }
  }
  order.reverse();
  const index = new Map(order.map((b, i) => [b.rip, i]));
  const successors = order.map((b) => edges(b).map((r) => (r === -1 ? -1 : index.get(r)!)));
  const predecessors: number[][] = order.map(() => []);
  successors.forEach((out, i) => {
    for (const s of out) if (s >= 0) predecessors[s].push(i);
  });

  // Immediate dominators (Cooper, Harvey, Kennedy): indices are already reverse post-order numbers.
  const idom = order.map(() => -1);
  idom[0] = 0;
  const intersect = (a: number, b: number): number => {
    while (a !== b) {
      while (a > b) a = idom[a];
      while (b > a) b = idom[b];
    }
    return a;
  };
  for (let changed = true; changed; ) {
    changed = false;
    for (let i = 1; i < order.length; i++) {
      let dominator = -1;
      for (const p of predecessors[i]) if (idom[p] !== -1) dominator = dominator === -1 ? p : intersect(dominator, p);
      if (dominator !== idom[i]) {
        idom[i] = dominator;
        changed = true;
      }
    }
  }
  const dominates = (a: number, b: number): boolean => {
    while (b > a) b = idom[b];
    return a === b;
  };
  const loopHeader = order.map(() => false);
  const forwardIn = order.map(() => 0);
  successors.forEach((out, from) => {
    out.forEach((to, k) => {
      if (to < 0) return;
      if (to > from) forwardIn[to]++;
      else if (dominates(to, from)) loopHeader[to] = true;
      else out[k] = -1; // irreducible
    });
  });
  const children: number[][] = order.map(() => []);
  for (let i = 1; i < order.length; i++) children[idom[i]].push(i);
  return {
    wide: entry.wide,
    blocks: order,
    successors,
    immediateDominator: idom,
    loopHeader,
    merge: forwardIn.map((n) => n > 1),
    children,
    returns: returnRips.filter((r) => index.has(r)).map((rip) => ({ rip, block: index.get(rip)! })),
  };
};
