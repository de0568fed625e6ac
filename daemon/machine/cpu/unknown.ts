// #UD, and the count of instructions that exist but are not there yet: shown by `inspect`, never skipped.
import { Slot, type VpBlock, VpLayout, vpCounterIndex } from '../../../shared/layout/vp.js';
import type { Processor } from '../processor.js';
import { invalidOpcode } from './raise.js';
import { slotLo } from './slots.js';

const TABLE = VpLayout.at.unknownOps >>> 2;
const ENTRIES = VpLayout.fields.unknownOps.bytes / 8;
const COUNTER = (VpLayout.at.counters >>> 2) + vpCounterIndex.unknownInstructions;

/** Counts an iced mnemonic number: open addressing, key = number + 1, 0 = free. A full table only counts the total. */
export const countUnknown = (vp: VpBlock, mnemonic: number): void => {
  const { u32 } = vp.views;
  const base = vp.base >>> 2;
  u32[base + COUNTER]++;
  for (let i = 0; i < ENTRIES; i++) {
    const at = base + TABLE + ((mnemonic + i) % ENTRIES) * 2;
    if (u32[at] !== 0 && u32[at] !== mnemonic + 1) continue;
    u32[at] = mnemonic + 1;
    u32[at + 1]++;
    return;
  }
};

/** UD0, UD1, UD2, undefined opcodes (ARG0 = 0), and instructions that are not there (ARG0 = mnemonic). */
export const undefinedInstruction = (p: Processor): number => {
  const mnemonic = slotLo(p.vp, Slot.ARG0);
  if (mnemonic !== 0) countUnknown(p.vp, mnemonic);
  return invalidOpcode(p);
};
/** #UD without counting: the feature is not reported by CPUID. */
export const absentFeature = (p: Processor): number => invalidOpcode(p);
