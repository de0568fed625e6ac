// Compiles this folder to dist/daemon/shortcuts/shortcuts.wasm. The numbers of `sys` operations and results are those of translated code.

import { SysResult } from '../../dist/daemon/translate/emit/frame.js';
import { SysOp } from '../../dist/daemon/translate/micro-op.js';
import { SHORTCUT_FIELDS } from '../../dist/shared/layout/shortcut-fields.js';
import { buildModule } from '../build-module.mjs';

const operations = Object.fromEntries(['IN', 'OUT', 'INT', 'IRET', 'MOV_TO_CR'].map((name) => [`OP_${name}`, SysOp[name]]));
await buildModule('shortcuts', { ...SHORTCUT_FIELDS, ...operations, ...SysResult });
