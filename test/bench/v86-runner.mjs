// Runs a multiboot image on the npm package v86 without a screen; COM1 goes to stdout. Arguments: image, command line.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [image, cmdline = ''] = process.argv.slice(2);
const build = join(dirname(createRequire(import.meta.url).resolve('v86/package.json')), 'build');
const { V86 } = await import(pathToFileURL(join(build, 'libv86.mjs')).href);
const bytes = readFileSync(image);
const emulator = new V86({
  wasm_path: join(build, 'v86.wasm'),
  memory_size: 64 << 20,
  vga_memory_size: 2 << 20,
  multiboot: { buffer: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) },
  cmdline,
  autostart: true,
  disable_speaker: true,
  disable_keyboard: true,
  disable_mouse: true,
});
let line = '';
emulator.add_listener('serial0-output-byte', (byte) => {
  const ch = String.fromCharCode(byte);
  process.stdout.write(ch);
  line = ch === '\n' ? '' : line + ch;
  if (line === 'DONE') setTimeout(() => process.exit(0), 50);
});
