// Compiles this folder to dist/daemon/shortcuts: the product's module, and one with a gate before each operation on a shared word, for the explorer of interleavings.
// The numbers of `sys` operations and results are those of translated code.

import { SysResult } from '../../dist/daemon/translate/emit/frame.js';
import { SysOp } from '../../dist/daemon/translate/micro-op.js';
import { SHORTCUT_FIELDS } from '../../dist/shared/layout/shortcut-fields.js';
import { buildModule } from '../build-module.mjs';

const OPERATIONS = 'IN OUT INT INVLPG IRET MOV_TO_CR MOV_FROM_CR MOV_FROM_DR RDMSR WRMSR CLI PUSHF POPF READ_BASE WRITE_BASE LGDT LIDT LTR';
const operations = Object.fromEntries(OPERATIONS.split(' ').map((name) => [`OP_${name}`, SysOp[name]]));
const constants = { ...SHORTCUT_FIELDS, ...operations, ...SysResult };
await buildModule('shortcuts', { ...constants, GATED: 0 });
await buildModule('shortcuts', { ...constants, GATED: 1 }, 'gated');
