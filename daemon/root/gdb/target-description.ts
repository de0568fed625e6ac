// The target description: what GDB is to take the processor for (GDB manual, appendix G "Target Descriptions", "i386 Features").
// Why three: GDB has one architecture for a connection. Which one follows from the mode in which the first VP is when the debugger comes, or from the operator.
import type { Bits, Feature } from './register-set.js';

const ARCHITECTURES: Readonly<Record<Bits, string>> = { 16: 'i8086', 32: 'i386', 64: 'i386:x86-64' };

const flag = (name: string, bit: number): string => `<field name="${name}" start="${bit}" end="${bit}"/>`;
const EFLAGS = `<flags id="i386_eflags" size="4">${[
  ['CF', 0],
  ['', 1],
  ['PF', 2],
  ['AF', 4],
  ['ZF', 6],
  ['SF', 7],
  ['TF', 8],
  ['IF', 9],
  ['DF', 10],
  ['OF', 11],
  ['NT', 14],
  ['RF', 16],
  ['VM', 17],
  ['AC', 18],
  ['VIF', 19],
  ['VIP', 20],
  ['ID', 21],
]
  .map(([name, bit]) => flag(name as string, bit as number))
  .join('')}</flags>`;
const MXCSR = `<flags id="i386_mxcsr" size="4">${['IE', 'DE', 'ZE', 'OE', 'UE', 'PE', 'DAZ', 'IM', 'DM', 'ZM', 'OM', 'UM', 'PM']
  .map(flag)
  .join('')}${flag('FZ', 15)}</flags>`;
const VECTOR = [
  ['v4f', 'ieee_single', 4],
  ['v2d', 'ieee_double', 2],
  ['v16i8', 'int8', 16],
  ['v8i16', 'int16', 8],
  ['v4i32', 'int32', 4],
  ['v2i64', 'int64', 2],
] as const;
const VEC128 = `${VECTOR.map(([id, type, count]) => `<vector id="${id}" type="${type}" count="${count}"/>`).join('')}<union id="vec128">${[
  ['v4_float', 'v4f'],
  ['v2_double', 'v2d'],
  ['v16_int8', 'v16i8'],
  ['v8_int16', 'v8i16'],
  ['v4_int32', 'v4i32'],
  ['v2_int64', 'v2i64'],
  ['uint128', 'uint128'],
]
  .map(([name, type]) => `<field name="${name}" type="${type}"/>`)
  .join('')}</union>`;
/** Types that a feature's registers have, beside those that GDB knows. */
const TYPES: Readonly<Record<string, string>> = { 'org.gnu.gdb.i386.core': EFLAGS, 'org.gnu.gdb.i386.sse': VEC128 + MXCSR };

export const describeTarget = (bits: Bits, features: readonly Feature[]): string =>
  `<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target version="1.0"><architecture>${ARCHITECTURES[bits]}</architecture>${features
    .map(
      ({ name, registers }) =>
        `<feature name="${name}">${TYPES[name] ?? ''}${registers
          .map((r) => `<reg name="${r.name}" bitsize="${r.bits}" type="${r.type}"${r.group === undefined ? '' : ` group="${r.group}"`}/>`)
          .join('')}</feature>`,
    )
    .join('')}</target>`;
