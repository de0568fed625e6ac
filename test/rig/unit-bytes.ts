// A compiled unit of given code without a machine round it: blocks are translated, laid out as the code cache does, made a region of and compiled.
import { CodeBlock } from '../../daemon/machine/code-block.js';
import { BlockBuilder } from '../../daemon/translate/block-builder.js';
import type { CodeMode } from '../../daemon/translate/code-mode.js';
import { BLOCK_HEADER_SIZE, BlockHeader, OBSERVED } from '../../daemon/translate/emit/block-layout.js';
import { type Region, region } from '../../daemon/translate/emit/region.js';
import { compileUnit } from '../../daemon/translate/emit/unit.js';
import { waitingLoops } from '../../daemon/translate/emit/waiting-loops.js';
import { RECORD_SIZE } from '../../daemon/translate/micro-op.js';
import { translateBlock } from '../../daemon/translate/translate-block.js';
import { type Views, viewsOf } from '../../shared/layout/struct.js';
import { TEST_HOT_RUNS } from './hot-runs.js';

const ARENA = 0x1000;
const ARENA_BYTES = 0x10000;

export interface CompiledUnit {
  readonly graph: Region;
  readonly bytes: Uint8Array;
  /** By block that is the head of a loop that only waits: the blocks that go back to it. */
  readonly waiting: readonly (ReadonlySet<number> | undefined)[];
}

/** The unit of the code at RIP; jumps out of the bytes leave it. `observed`: where indirect jumps went, by the RIP of their block. */
export const unitOf = (
  code: Uint8Array,
  mode: CodeMode,
  rip: number,
  observed: ReadonlyMap<number, readonly number[]> = new Map(),
): CompiledUnit => {
  const views: Views = viewsOf(new SharedArrayBuffer(ARENA + ARENA_BYTES));
  const { i32 } = views;
  let next = ARENA;
  const known = new Map<number, CodeBlock>();
  const find = (at: number): CodeBlock | undefined => {
    if (at < rip || at >= rip + code.length) return undefined;
    let block = known.get(at);
    if (block !== undefined) return block;
    const builder = new BlockBuilder();
    const made = translateBlock(builder, { bytes: code.subarray(at - rip), following: () => new Uint8Array(14) }, mode, at);
    const header = next;
    i32[(header + BlockHeader.INSTRUCTIONS) >>> 2] = made.instructions;
    i32[(header + BlockHeader.SIZES) >>> 2] = builder.count | (made.bytes << 16);
    next += BLOCK_HEADER_SIZE;
    for (let i = 0; i < builder.count; i++, next += RECORD_SIZE) {
      i32[next >>> 2] = builder.op[i] | (builder.d[i] << 16) | (builder.a[i] << 24);
      i32[(next >>> 2) + 1] = builder.b[i] | (builder.left[i] << 8) | (builder.ripOffset[i] << 16);
      i32[(next >>> 2) + 2] = builder.lo[i];
      i32[(next >>> 2) + 3] = builder.hi[i];
    }
    observed.get(at)?.forEach((target, i) => {
      i32[(next >>> 2) + i * 2] = target;
    });
    next += OBSERVED * 8;
    block = new CodeBlock(i32, TEST_HOT_RUNS, at, at, 0, mode.bits === 64 ? 2 : mode.bits === 32 ? 1 : 0, 0, header);
    known.set(at, block);
    return block;
  };
  const graph = region(find(rip) as CodeBlock, find);
  return { graph, bytes: compileUnit(views, graph), waiting: waitingLoops(graph, views) };
};
