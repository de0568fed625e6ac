// MOVS STOS LODS CMPS SCAS INS OUTS with their REP prefixes: done whole by the processor's slow half (SDM 1 7.3.9).
import { OpKind } from 'iced-x86';
import { segmentNumber } from '../decode/registers.js';
import { SysOp, type Width } from '../micro-op.js';
import type { Families, Family } from './instruction-context.js';

const SIZES = { b: 0, w: 1, d: 2, q: 3 } as const;
const DS = 3;

const string =
  (op: number, width: Width): Family =>
  (x) => {
    const i = x.decoder.instruction;
    // Address size is that of whichever operand is memory: MemorySegSI .. MemoryESRDI come in threes by width.
    const kind = Math.max(i.op0Kind, i.op1Kind);
    x.builder.sys({
      op,
      width,
      addressWidth: (1 + ((kind - OpKind.MemorySegSI) % 3)) as Width,
      rep: i.hasRepPrefix,
      repne: i.hasRepnePrefix,
      segment: x.segmentOverride ? segmentNumber(i.memorySegment) : DS,
    });
  };

const families: Record<string, Family> = {};
for (const [letter, width] of Object.entries(SIZES)) {
  const memory = `m${8 << width}`;
  const accumulator = ['AL', 'AX', 'EAX', 'RAX'][width];
  families[`Movs${letter}_${memory}_${memory}`] = string(SysOp.MOVS, width);
  families[`Cmps${letter}_${memory}_${memory}`] = string(SysOp.CMPS, width);
  families[`Stos${letter}_${memory}_${accumulator}`] = string(SysOp.STOS, width);
  families[`Lods${letter}_${accumulator}_${memory}`] = string(SysOp.LODS, width);
  families[`Scas${letter}_${accumulator}_${memory}`] = string(SysOp.SCAS, width);
  if (width === 3) continue;
  families[`Ins${letter}_${memory}_DX`] = string(SysOp.INS, width);
  families[`Outs${letter}_DX_${memory}`] = string(SysOp.OUTS, width);
}
export const stringFamilies: Families = families;
