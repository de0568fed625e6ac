// The control-flow graph of a unit and its structure: which blocks, in which order, which edges are loops.
// Why dominators: any reducible graph nests into WebAssembly's blocks and loops along its dominator tree (Ramsey, "Beyond Relooper", ICFP 2022).
// Edges that would make the graph irreducible become exits of the unit: always right, and rare in compiled code.
//
// A called function is taken in once for each place that calls it: a return then has one place to go to, and loops stay loops.
// Where the caller is not known (the unit began inside the function, or it calls itself), a return goes where it was seen to go.

/** A translated block as the hot tier sees it. */
export interface SourceBlock {
  readonly rip: number;
  /** Length of the x86 bytes; rip + bytes is the fall-through address. */
  readonly bytes: number;
  /** Address of the first record in the arena, and how many there are. */
  readonly records: number;
  readonly count: number;
  readonly instructions: number;
  /** How often it has been run cold, up to a bound. */
  readonly runs: number;
  /** Code of 64-bit mode: registers have upper halves. */
  readonly wide: boolean;
  /** Known targets at its end (RIPs): jump: one; branch: taken, then not taken; indirect: none. */
  readonly targets: readonly number[];
  /** Ends in an indirect jump. */
  readonly indirect: boolean;
  /** Where an indirect jump was seen to go, most often first. */
  readonly observed: readonly number[];
  /** Return address of the call it ends with, -1 otherwise. */
  readonly returnRip: number;
  /** Ends in a return. */
  readonly returns: boolean;
}

/**
 * A region is compiled and run as a whole: V8's work on it grows faster than its size, and in a kernel most of what lies round hot code is not hot. Twice as large ones cost
 * a boot of Linux half as much time again; 24 blocks of 300 records cost recursive functions a third of their speed.
 */
export const REGION_BLOCKS_MAX = 32;
export const REGION_RECORDS_MAX = 400;
/** A block that was run less than the entry by this factor stays outside: what is large is compiled late and runs in V8's baseline tier until then. */
export const REGION_RARE = 16;
/** Calls inside each other that are taken in with their callers. */
export const CALL_DEPTH_MAX = 4;

export interface Region {
  readonly wide: boolean;
  /** Blocks in reverse post-order; 0 is the entry. A block stands here once for each way it was called. */
  readonly blocks: readonly SourceBlock[];
  /** Where each block may go: RIPs, and the blocks there by index, -1 = leaves the unit. For indirect jumps these are guesses. */
  readonly targets: readonly (readonly number[])[];
  readonly successors: readonly (readonly number[])[];
  readonly immediateDominator: readonly number[];
  readonly loopHeader: readonly boolean[];
  /** More than one forward edge leads here. */
  readonly merge: readonly boolean[];
  /** Children in the dominator tree, in reverse post-order. */
  readonly children: readonly (readonly number[])[];
}

/** How a block was called: where the function returns to, and how its caller was called. */
interface Call {
  readonly id: number;
  readonly returnRip: number;
  readonly callee: number;
  readonly depth: number;
  readonly caller: Call | undefined;
}
interface Node {
  readonly block: SourceBlock;
  readonly call: Call | undefined;
  targets: readonly number[];
  /** Successors; undefined = leaves the unit. */
  out: (Node | undefined)[];
  index: number;
}

/**
 * Collects what is reachable from `entry` through known edges, calls and returns, breadth first, as far as `find` knows blocks.
 * Functions in `recursive` are not taken in by caller. One that turns out to be so is added, and nothing returned.
 */
const collect = (entry: SourceBlock, find: (rip: number) => SourceBlock | undefined, recursive: Set<number>): Node | undefined => {
  const nodes = new Map<string, Node>();
  const calls = new Map<string, Call>();
  const queue: Node[] = [];
  let records = 0;
  const add = (block: SourceBlock, call: Call | undefined): Node => {
    const node: Node = { block, call, targets: [], out: [], index: -1 };
    nodes.set(`${block.rip}:${call?.id ?? -1}`, node);
    queue.push(node);
    records += block.count;
    return node;
  };
  const reach = (rip: number, call: Call | undefined): Node | undefined => {
    const known = nodes.get(`${rip}:${call?.id ?? -1}`);
    if (known !== undefined || nodes.size >= REGION_BLOCKS_MAX) return known;
    const block = find(rip);
    if (block === undefined || block.runs < entry.runs / REGION_RARE || records + block.count > REGION_RECORDS_MAX) return undefined;
    return add(block, call);
  };
  /** Where a return whose caller is not known was seen to go. */
  const returnedTo = new Set<number>();
  const called = (callee: number, returnRip: number, caller: Call | undefined): Call | undefined => {
    const depth = (caller?.depth ?? 0) + 1;
    if (depth > CALL_DEPTH_MAX || recursive.has(callee)) return undefined;
    const key = `${returnRip}:${callee}:${caller?.id ?? -1}`;
    let call = calls.get(key);
    if (call === undefined) {
      call = { id: calls.size, returnRip, callee, depth, caller };
      calls.set(key, call);
    }
    return call;
  };
  const first = add(entry, undefined);
  for (let i = 0; i < queue.length; i++) {
    const node = queue[i];
    const { block, call } = node;
    // A function that comes to code which is there for one of its callers too calls itself.
    for (let c = call; c !== undefined; c = c.caller)
      if (nodes.has(`${block.rip}:${c.caller?.id ?? -1}`)) {
        recursive.add(c.callee);
        return undefined;
      }
    if (block.returns) {
      node.targets = call === undefined ? block.observed : [call.returnRip];
      if (call === undefined) for (const rip of block.observed) returnedTo.add(rip);
      node.out = node.targets.map((rip) => reach(rip, call?.caller));
      continue;
    }
    // A function that was entered from outside and returns behind this call was called from here.
    const here = block.indirect && returnedTo.has(block.returnRip) && !block.observed.includes(entry.rip) ? [entry.rip] : [];
    node.targets = block.indirect ? [...here, ...block.observed] : block.targets;
    node.out = node.targets.map((rip) => reach(rip, block.returnRip >= 0 ? called(rip, block.returnRip, call) : call));
  }
  return first;
};

/** Reverse post-order, by iterative depth-first search; numbers the nodes. */
const reversePostOrder = (first: Node): Node[] => {
  const order: Node[] = [];
  const seen = new Set<Node>([first]);
  const stack: { node: Node; next: number }[] = [{ node: first, next: 0 }];
  while (stack.length > 0) {
    const top = stack[stack.length - 1];
    if (top.next < top.node.out.length) {
      const to = top.node.out[top.next++];
      if (to === undefined || seen.has(to)) continue;
      seen.add(to);
      stack.push({ node: to, next: 0 });
    } else {
      order.push(top.node);
      stack.pop();
    }
  }
  order.reverse();
  order.forEach((node, i) => {
    node.index = i;
  });
  return order;
};

export const region = (entry: SourceBlock, find: (rip: number) => SourceBlock | undefined): Region => {
  const recursive = new Set<number>();
  let first = collect(entry, find, recursive);
  while (first === undefined) first = collect(entry, find, recursive);
  const order = reversePostOrder(first);
  const successors = order.map((node) => node.out.map((to) => to?.index ?? -1));
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
    blocks: order.map((node) => node.block),
    targets: order.map((node) => node.targets),
    successors,
    immediateDominator: idom,
    loopHeader,
    merge: forwardIn.map((n) => n > 1),
    children,
  };
};
