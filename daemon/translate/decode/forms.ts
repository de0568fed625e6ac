// Operand widths of every iced code, read off its name once: Add_rm32_imm8 is 32 bits wide, Movzx_r64_rm8 64 from 8.
// Why from names: they are the one table of all encodings that ships with the decoder, and a getter per operand is saved.
import { Code } from 'iced-x86';
import type { Width } from '../micro-op.js';

export const CODES: readonly string[] = Object.keys(Code).filter((name) => Number.isNaN(Number(name)));
export const CODE_COUNT: number = Math.max(...CODES.map((name) => codeNumber(name))) + 1;

export function codeNumber(name: string): Code {
  return Code[name as keyof typeof Code] as unknown as Code;
}

const NAMED: Readonly<Record<string, Width>> = { AL: 0, CL: 0, AX: 1, CX: 1, DX: 1, EAX: 2, ECX: 2, RAX: 3, RCX: 3 };
const SIZED = /^(?:rm|r|moffs|m|imm)(8|16|32|64)(?!\d)/;
const WIDTHS: Readonly<Record<string, Width>> = { 8: 0, 16: 1, 32: 2, 64: 3 };

const widthOf = (token: string): Width | undefined => NAMED[token] ?? WIDTHS[SIZED.exec(token)?.[1] ?? ''];

/** Width of the first operand that has one, and of the second (the first's again when there is none). */
export const OPERAND_WIDTH: Uint8Array = new Uint8Array(CODE_COUNT);
export const SECOND_WIDTH: Uint8Array = new Uint8Array(CODE_COUNT);
for (const name of CODES) {
  const widths = name
    .split('_')
    .slice(1)
    .map(widthOf)
    .filter((w) => w !== undefined);
  OPERAND_WIDTH[codeNumber(name)] = widths[0] ?? 0;
  SECOND_WIDTH[codeNumber(name)] = widths[1] ?? widths[0] ?? 0;
}

/** Operands that only x87, MMX, SSE and later have: their mnemonics may coincide with integer ones (MOVSD, CMPSD). */
export const isVector = (name: string): boolean => /(^|_)(VEX|EVEX|XOP|D3NOW|MVEX|mm|[xyzt]mm|bnd|k[rp])/.test(name);
