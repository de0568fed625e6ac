// Jcc, SETcc, CMOVcc (SDM 1 appendix B), and the flag instructions CLC STC CMC CLD STD LAHF SAHF SALC.
import { Slot } from '../../../shared/layout/vp.js';
import { REGISTER_SLOT } from '../decode/registers.js';
import type { Condition } from '../micro-op.js';
import { branchBeyond, isBeyond, nearTarget } from './branch.js';
import type { Families, Family } from './instruction-context.js';

/** Condition codes by name, in encoding order. */
const CODES = ['o', 'no', 'b', 'ae', 'e', 'ne', 'be', 'a', 's', 'ns', 'p', 'np', 'l', 'ge', 'le', 'g'] as const;
const DF = 0x400;

const jcc =
  (cc: Condition): Family =>
  (x) => {
    const target = nearTarget(x);
    if (isBeyond(x, target)) branchBeyond(x, x.builder.condition(cc));
    else x.builder.branchOn(cc, target);
  };

const setcc =
  (cc: Condition): Family =>
  (x) => {
    const { builder } = x;
    const value = builder.condition(cc);
    if (x.isMemory(0)) builder.store(0, x.address(1, true), value);
    else x.writeRegister(x.register(0), value);
  };

/** The source is read whether the condition holds or not, and a 32-bit destination cleared above bit 31 in any case. */
const cmovcc =
  (cc: Condition): Family =>
  (x) => {
    const { builder, width } = x;
    const source = builder.slot(x.read(1, width));
    const register = x.register(0);
    const slot = REGISTER_SLOT[register];
    const truth = builder.truth(cc);
    const [yes, no] = builder.inverted ? [slot, source] : [source, slot];
    const inPlace = width === 3 || (width === 2 && builder.isZeroExtended(2, source) && builder.isZeroExtended(2, slot));
    const value = builder.select(truth, yes, no, inPlace ? slot : undefined);
    if (!inPlace) x.writeRegister(register, value);
  };

const lahf: Family = ({ builder }) => {
  const flags = builder.value('or64', builder.value('and64', builder.readFlags(), builder.constant(0xd5)), builder.constant(2));
  builder.value('ins8h', Slot.RAX, flags, Slot.RAX);
};
const sahf: Family = ({ builder }) => {
  const overflow = builder.value('and64', builder.readFlags(), builder.constant(0x800));
  const others = builder.value('and64', builder.value('ext8h', Slot.RAX), builder.constant(0xd5));
  builder.flags('set', 3, 0, 0, builder.value('or64', overflow, others));
};
/** AL := CF ? FF : 0 (undocumented until SDM 2B, SALC). */
const salc: Family = ({ builder }) => builder.value('ins8', Slot.RAX, builder.value('sub64', Slot.ZERO, builder.carry()), Slot.RAX);

const families: Record<string, Family> = {
  Clc: ({ builder }) => builder.setCarry(Slot.ZERO),
  Stc: ({ builder }) => builder.setCarry(builder.constant(1)),
  Cmc: ({ builder }) => builder.setCarry(builder.condition(3)),
  Cld: ({ builder }) => builder.value('and64', Slot.FLAG_SYSTEM, builder.constant(~DF), Slot.FLAG_SYSTEM),
  Std: ({ builder }) => builder.value('or64', Slot.FLAG_SYSTEM, builder.constant(DF), Slot.FLAG_SYSTEM),
  Lahf: lahf,
  Sahf: sahf,
  Salc: salc,
};
CODES.forEach((name, cc) => {
  families[`J${name}`] = jcc(cc);
  families[`Set${name}`] = setcc(cc);
  families[`Cmov${name}`] = cmovcc(cc);
});
export const conditionFamilies: Families = families;
