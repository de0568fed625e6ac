// What code must be translated for in the current mode, and the derived state that changes with it.
// Why a few fixed objects for a processor: the mode is part of every block's key and is compared by identity. References: SDM 3A 3.4.5, 5.2.1.
import { Access } from '../../../shared/abi/registers.js';
import type { FeatureSet } from '../../../shared/cpu/feature-set.js';
import { Slot, type VpBlock } from '../../../shared/layout/vp.js';
import type { CodeMode } from '../../translate/code-mode.js';
import type { Processor } from '../processor.js';
import { fillUnusable } from './extended-state.js';
import { is64BitCode } from './mode.js';
import { accessOf, limitOf, Segment } from './segment.js';
import { fillSegmentLimits } from './segment-check.js';
import { setSlotHalves, slotHi, slotLo } from './slots.js';

/** The modes that code can be translated for on a processor with certain features: nine fixed objects. */
export class CodeModes {
  readonly long: CodeMode;
  /** Indexed by CS.D | SS.B << 1 | flat << 2. */
  readonly legacy: readonly CodeMode[];

  constructor(features: FeatureSet) {
    const mode = (bits: 16 | 32 | 64, stackBits: 16 | 32 | 64, flat: boolean): CodeMode => ({
      bits,
      stackBits,
      flat,
      plainLocks: false,
      features,
    });
    this.long = mode(64, 64, true);
    this.legacy = [0, 1, 2, 3, 4, 5, 6, 7].map((i) => mode((i & 1) !== 0 ? 32 : 16, (i & 2) !== 0 ? 32 : 16, (i & 4) !== 0));
  }
}

const FLAT_DATA_MASK = Access.UNUSABLE | Access.P | Access.S | Access.CODE | Access.EXPAND_DOWN | Access.WRITABLE;
const FLAT_DATA = Access.P | Access.S | Access.WRITABLE;
const FLAT_CODE_MASK = Access.UNUSABLE | Access.P | Access.S | Access.CODE | Access.READABLE;
const FLAT_CODE = Access.P | Access.S | Access.CODE | Access.READABLE;

const isFlat = (vp: VpBlock, segment: number, mask: number, wanted: number): boolean =>
  (accessOf(vp, segment) & mask) === wanted && limitOf(vp, segment) === 0xffff_ffff && slotLo(vp, Slot.ES_BASE + segment) === 0;

/** What the code at CS:RIP is to be translated for. */
export const codeModeOf = (vp: VpBlock, modes: CodeModes): CodeMode => {
  if (is64BitCode(vp)) return modes.long;
  const flat =
    isFlat(vp, Segment.CS, FLAT_CODE_MASK, FLAT_CODE) &&
    isFlat(vp, Segment.SS, FLAT_DATA_MASK, FLAT_DATA) &&
    isFlat(vp, Segment.DS, FLAT_DATA_MASK, FLAT_DATA) &&
    isFlat(vp, Segment.ES, FLAT_DATA_MASK, FLAT_DATA);
  const d = (vp.csAccess & Access.DB) !== 0 ? 1 : 0;
  const b = (vp.ssAccess & Access.DB) !== 0 ? 2 : 0;
  return modes.legacy[d | b | (flat ? 4 : 0)];
};

/** The processor's own part of `Processor.modeChanged`: derived slots. Returns the code mode now in force. */
export const applyMode = (p: Processor): CodeMode => {
  const mode = codeModeOf(p.vp, p.modes);
  fillSegmentLimits(p.vp, mode.flat);
  fillUnusable(p.vp);
  return mode;
};

/** Upper register halves are undefined once 64-bit mode has been left; hvd keeps them zero there, as translated 32-bit code relies on (SDM 1 3.4.1.1). */
export const clearUpperHalves = (vp: VpBlock): void => {
  for (let register = 0; register < 8; register++) if (slotHi(vp, register) !== 0) setSlotHalves(vp, register, slotLo(vp, register), 0);
};
