// One block: decodes from RIP until control flow, a limit or the end of the page, and has each instruction's family state its micro-ops.
import type { FeatureSet } from '../../shared/cpu/feature-set.js';
import type { BlockBuilder } from './block-builder.js';
import type { CodeMode } from './code-mode.js';
import type { CodeSource } from './decode/code-source.js';
import { Decoded } from './decode/decoder.js';
import { FAMILIES } from './families/family-table.js';
import { familiesOf } from './families/feature-gate.js';
import { type Family, InstructionContext } from './families/instruction-context.js';
import { undefinedInstruction } from './families/undefined.js';
import { BLOCK_INSTRUCTIONS_MAX, BLOCK_MICRO_OPS_MAX } from './micro-op.js';

const GP = 13;
/** No instruction has more micro-ops than this; a block is not begun another one when fewer are left. */
const INSTRUCTION_MICRO_OPS_MAX = 64;

const processorFamilies = (features: FeatureSet): readonly Family[] => familiesOf(FAMILIES, features);

export interface TranslatedBlock {
  /** Bytes of code that the block was made from, from RIP on; at least 1. */
  readonly bytes: number;
  /** Instructions, 1..BLOCK_INSTRUCTIONS_MAX; one that faults when decoded counts. */
  readonly instructions: number;
  /** The block is one instruction that goes on in the next page. */
  readonly crossesPage: boolean;
  /** Its last instruction ends it, whatever stands behind. */
  readonly complete: boolean;
}

/**
 * Translates the block at RIP into the builder, finished. `source.following` may throw the guest's fault; nothing else does.
 * A block never goes on into the next page, but for one whose first instruction does. At most `most` instructions, and none that begins at an offset for which
 * `stops` holds, but the first.
 */
export const translateBlock = (
  builder: BlockBuilder,
  source: CodeSource,
  mode: CodeMode,
  rip: number,
  most: number = BLOCK_INSTRUCTIONS_MAX,
  stops?: (offset: number) => boolean,
): TranslatedBlock => {
  builder.frontEnd ??= new InstructionContext(builder);
  const x = builder.frontEnd as InstructionContext;
  builder.begin(mode, rip);
  const taken = translate(x, source.bytes, mode, rip, most, stops);
  if (taken > 0) return finish(builder, taken, false);
  // The first instruction is cut off by the page's end.
  const page = source.bytes.length;
  const next = source.following();
  const both = new Uint8Array(page + next.length);
  both.set(source.bytes);
  both.set(next, page);
  builder.begin(mode, rip);
  return finish(builder, translateFirst(x, both, mode, rip), true);
};

const finish = (builder: BlockBuilder, bytes: number, crossesPage: boolean): TranslatedBlock => {
  const complete = builder.ended;
  builder.finish();
  return { bytes, instructions: builder.instructions, crossesPage, complete };
};

/** Bytes taken; 0 when the first instruction is cut off. */
const translate = (
  x: InstructionContext,
  bytes: Uint8Array,
  mode: CodeMode,
  rip: number,
  most: number,
  stops: ((offset: number) => boolean) | undefined,
): number => {
  const { builder, decoder } = x;
  const families = x.familiesOf(processorFamilies);
  x.bytes = bytes;
  decoder.open(mode.bits, bytes);
  let at = 0;
  while (at < bytes.length && builder.instructions < most && builder.count <= BLOCK_MICRO_OPS_MAX - INSTRUCTION_MICRO_OPS_MAX) {
    const decoded = decoder.next(at);
    if (decoded === Decoded.CUT_OFF) break;
    const here = builder.wrapRip(rip + at);
    if (decoded !== Decoded.OK) {
      refuse(x, at, here, decoded);
      return at + decoder.length;
    }
    builder.instruction(here, decoder.length);
    x.begin(at);
    families[decoder.code](x);
    builder.instructionEnds();
    at += decoder.length;
    if (builder.ended || stops?.(at) === true) break;
  }
  return at;
};

/** The one instruction that crosses into the next page, or is cut off even so (then its bytes run on without end: too long). */
const translateFirst = (x: InstructionContext, bytes: Uint8Array, mode: CodeMode, rip: number): number => {
  const { builder, decoder } = x;
  x.bytes = bytes;
  decoder.open(mode.bits, bytes);
  const decoded = decoder.next(0);
  if (decoded === Decoded.OK) {
    builder.instruction(rip, decoder.length);
    x.begin(0);
    x.familiesOf(processorFamilies)[decoder.code](x);
    builder.instructionEnds();
  } else refuse(x, 0, rip, decoded === Decoded.CUT_OFF ? Decoded.TOO_LONG : decoded);
  return decoder.length;
};

/** #UD for what does not exist, #GP(0) for more than 15 bytes. */
const refuse = (x: InstructionContext, at: number, rip: number, decoded: Decoded): void => {
  const { builder, decoder } = x;
  builder.constants.positionIsFixed = true;
  builder.instruction(rip, Math.max(1, Math.min(decoder.length, 15)));
  x.begin(at);
  if (decoded === Decoded.TOO_LONG) {
    builder.trapIf(builder.constant(1), GP, 0);
    builder.jump(rip);
  } else undefinedInstruction(x);
};
