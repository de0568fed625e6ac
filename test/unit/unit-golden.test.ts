// Golden WebAssembly: what common sequences become in a compiled unit (unit-golden.txt), so that a change of the emitter shows as a change of text.
// After a change that is meant: HVD_GOLDEN=write bash test/run.sh dist/test/unit/unit-golden.test.js, and read the difference.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import type { CodeMode } from '../../daemon/translate/code-mode.js';
import { unitOf } from '../rig/unit-bytes.js';
import { wasmText } from '../rig/wasm-text.js';
import { FLAT32, hex, LONG, RIP } from './translate-support.js';

const FILE = join(fileURLToPath(new URL('../../../', import.meta.url)), 'test/unit/unit-golden.txt');

const SEQUENCES: readonly (readonly [CodeMode, string, string])[] = [
  [FLAT32, 'mov eax, [ebx+4]; add eax, 1; mov [ebx+4], eax', '8b 43 04 83 c0 01 89 43 04 f4'],
  [FLAT32, 'loop: inc eax; cmp eax, 100; jne loop', '40 3d 64 00 00 00 75 f8 f4'],
  [FLAT32, 'call f; hlt; f: push ebx; mov ebx, [esp+8]; pop ebx; ret', 'e8 01 00 00 00 f4 53 8b 5c 24 08 5b c3'],
  [FLAT32, 'add eax, ecx; adc edx, ebx; setc al', '01 c8 11 da 0f 92 c0 f4'],
  [LONG, 'loop: mov eax, [rdi+rcx*4]; add edx, eax; inc ecx; cmp ecx, 64; jne loop', '8b 04 8f 01 c2 ff c1 83 f9 40 75 f4 f4'],
  [LONG, 'loop: lock inc qword [rdi]; dec rcx; jnz loop', 'f0 48 ff 07 48 ff c9 75 f7 f4'],
  [FLAT32, 'loop: mov eax, edi; mov ecx, edi; cpuid; inc esi; cmp ebp, esi; jne loop', '89 f8 89 f9 0f a2 46 39 f5 75 f5 f4'],
];

test('common sequences compile to the text that was looked at', (t) => {
  const text = SEQUENCES.map(([mode, name, code]) => {
    const { bytes } = unitOf(hex(code), mode, RIP);
    t.true(WebAssembly.validate(bytes as Uint8Array<ArrayBuffer>), name);
    return `== ${mode.bits}-bit ${name}\n${wasmText(bytes).join('\n')}\n`;
  }).join('\n');
  if (process.env.HVD_GOLDEN === 'write') writeFileSync(FILE, text);
  t.deepEqual(text.split('\n'), readFileSync(FILE, 'utf8').split('\n'));
});
