// Which family translates which iced code. A full code name (Mov_r64_cr) goes before its first part (Mov).
// Whatever is not listed raises #UD and is counted: x87, MMX and later extensions.
import { CODE_COUNT, CODES, codeNumber, isVector } from '../decode/forms.js';
import { arithmeticFamilies } from './arithmetic.js';
import { bitManipulationFamilies } from './bit-manipulation.js';
import { bitTestFamilies } from './bit-test.js';
import { branchFamilies } from './branch.js';
import { conditionFamilies } from './condition.js';
import { exchangeFamilies } from './exchange.js';
import type { Families, Family } from './instruction-context.js';
import { moveFamilies } from './move.js';
import { multiplyFamilies } from './multiply.js';
import { rotateFamilies } from './rotate.js';
import { segmentFamilies } from './segment.js';
import { shiftFamilies } from './shift.js';
import { stackFamilies } from './stack.js';
import { stringFamilies } from './string.js';
import { systemFamilies } from './system.js';
import { unimplemented } from './undefined.js';
import { vectorControlFamilies } from './vector/control.js';
import { floatArithmeticFamilies } from './vector/float-arithmetic.js';
import { floatConversionFamilies } from './vector/float-convert.js';
import { fusedFamilies } from './vector/fused.js';
import { vectorIntegerFamilies } from './vector/integer.js';
import { vectorMaskedFamilies } from './vector/masked.js';
import { mmxFamilies } from './vector/mmx.js';
import { vectorMoveFamilies } from './vector/moves.js';
import { vectorPermuteFamilies } from './vector/permute.js';
import { vectorShiftFamilies } from './vector/shifts.js';
import { vectorShuffleFamilies } from './vector/shuffles.js';
import { vectorSpecialFamilies } from './vector/special.js';
import { x87Families } from './x87.js';
import { xsaveFamilies } from './xsave.js';

const NAMED: Families = {
  ...arithmeticFamilies,
  ...moveFamilies,
  ...exchangeFamilies,
  ...stackFamilies,
  ...shiftFamilies,
  ...rotateFamilies,
  ...multiplyFamilies,
  ...bitTestFamilies,
  ...conditionFamilies,
  ...branchFamilies,
  ...stringFamilies,
  ...segmentFamilies,
  ...systemFamilies,
  ...x87Families,
  ...bitManipulationFamilies,
  ...xsaveFamilies,
  ...vectorMoveFamilies,
  ...vectorIntegerFamilies,
  ...vectorShuffleFamilies,
  ...vectorShiftFamilies,
  ...floatArithmeticFamilies,
  ...floatConversionFamilies,
  ...vectorControlFamilies,
  ...mmxFamilies,
  ...vectorSpecialFamilies,
  ...vectorPermuteFamilies,
  ...vectorMaskedFamilies,
  ...fusedFamilies,
};

const familyOf = (name: string): Family =>
  NAMED[name] ?? (isVector(name) || /_tr(_|$)/.test(name) ? undefined : NAMED[name.split('_')[0]]) ?? unimplemented;

/** By code number. */
export const FAMILIES: readonly Family[] = (() => {
  const table: Family[] = new Array(CODE_COUNT).fill(unimplemented);
  for (const name of CODES) table[codeNumber(name)] = familyOf(name);
  return table;
})();
/** Names of the codes that some family translates. */
export const TRANSLATED: readonly string[] = CODES.filter((name) => familyOf(name) !== unimplemented);
