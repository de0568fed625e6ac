// Compiles this folder to dist/daemon/float/float.wasm.
import { FLOAT_FIELDS } from '../../dist/shared/layout/float-fields.js';
import { buildModule } from '../build-module.mjs';

await buildModule('float', FLOAT_FIELDS);
