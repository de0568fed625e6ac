// Builds the guest images under configs/guests/images from their sources, byte for byte the same each time with the same compiler.
// Usage: node scripts/build-guests.mjs [--out DIR] [--header-only]. Needs gcc (with -m32) and binutils; the images are committed, so only who changes a guest needs it.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { jobPageHeader } from './job-page-header.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const guests = join(root, 'configs/guests');
const images = join(guests, 'images');

/** Flags of every object: no host headers, no vector registers, nothing that varies from run to run. */
const COMMON = [
  '-std=gnu11',
  '-O2',
  '-ffreestanding',
  '-fno-pie',
  '-fno-pic',
  '-fno-stack-protector',
  '-fno-asynchronous-unwind-tables',
  '-fno-tree-vectorize',
  '-fno-tree-loop-distribute-patterns',
  '-fcf-protection=none',
  '-fno-ident',
  '-Wall',
  '-Wextra',
];
const WIDTH = {
  32: ['-m32', '-march=i686', '-mno-sse', '-mno-mmx', '-mpreferred-stack-boundary=2'],
  64: ['-m64', '-mno-red-zone', '-mcmodel=small', '-DLONG'],
};

/** One object: source, name (default: the source's), flags that replace or add. */
const WORKLOAD_SOURCES = readdirSync(join(guests, 'workload'))
  .filter((f) => /\.[cS]$/.test(f))
  .sort();
const workload = (bits) => ({
  image: `workload${bits}.elf`,
  folder: 'workload',
  bits,
  objects: WORKLOAD_SOURCES.map((source) => ({ source, flags: [...WIDTH[bits], '-mgeneral-regs-only'] })),
});
const GUESTS = [workload(32), workload(64)];

const run = (command, args, cwd) => execFileSync(command, args, { cwd, stdio: ['ignore', 'pipe', 'inherit'] }).toString();

/** First line of the compiler's and the linker's version: images are compared only when these are the recorded ones. */
export const toolVersions = () => `${run('gcc', ['--version']).split('\n')[0]}\n${run('ld', ['--version']).split('\n')[0]}\n`;

const build = (guest, work, out) => {
  const folder = join(guests, guest.folder);
  const objects = guest.objects.map(({ source, name, flags }) => {
    const object = join(work, `${guest.bits}-${name ?? source}.o`);
    const language = source.endsWith('.S') ? ['-Wa,--noexecstack', `-ffile-prefix-map=${folder}=.`] : [];
    run('gcc', [...flags, ...COMMON, ...language, '-I.', '-c', source, '-o', object], folder);
    return object;
  });
  const linked = join(work, `${guest.image}.linked`);
  const machine = guest.bits === 64 ? ['-m', 'elf_x86_64', '-z', 'max-page-size=4096'] : ['-m', 'elf_i386'];
  run('ld', [...machine, '--build-id=none', '--no-warn-rwx-segments', '-T', 'link.ld', '-o', linked, ...objects], folder);
  // Multiboot loaders take ELF32 only, so the 64-bit image travels in that container too.
  run('objcopy', ['-O', 'elf32-i386', '--strip-debug', linked, join(out, guest.image)], folder);
};

export const buildGuests = async (out = images) => {
  const page = join(root, 'dist/shared/layout/job-page.js');
  if (existsSync(page)) {
    const header = jobPageHeader(await import(page));
    const file = join(guests, 'workload/job-page.h');
    if (!existsSync(file) || readFileSync(file, 'utf8') !== header) writeFileSync(file, header);
  }
  mkdirSync(out, { recursive: true });
  const work = mkdtempSync(join(tmpdir(), 'hvd-guests-'));
  try {
    for (const guest of GUESTS) build(guest, work, out);
    writeFileSync(join(out, 'BUILT-WITH'), toolVersions());
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const at = process.argv.indexOf('--out');
  await buildGuests(at > 0 ? resolve(process.argv[at + 1]) : images);
}
