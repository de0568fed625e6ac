// Builds the guest images under configs/guests from their sources, byte for byte the same each time with the same compiler.
// Usage: node configs/guests/build.mjs [--out DIR]. Needs gcc (with -m32) and binutils; the images are committed, so only who changes a guest needs it.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { agentJobsHeader } from './agent-jobs-header.mjs';
import { jobPageHeader } from './job-page-header.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const guests = join(root, 'configs/guests');

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

const sourcesOf = (folder) =>
  readdirSync(join(guests, folder))
    .filter((f) => /\.[cS]$/.test(f))
    .sort();

/** Where an image goes (under configs/guests), its sources, and the flags of each object. */
const workload = (bits) => ({
  image: `images/workload${bits}.elf`,
  folder: 'workload',
  bits,
  objects: sourcesOf('workload').map((source) => ({ source, flags: [...WIDTH[bits], '-mgeneral-regs-only'] })),
});

/** The timing guest's code must not change with GCC's idea of vectors or string instructions, or runs could not be compared. */
const STEADY = ['-fno-tree-slp-vectorize', '-mstringop-strategy=unrolled_loop'];
const SSE = {
  32: ['-m32', '-march=i686', '-msse2', '-mno-mmx', '-mpreferred-stack-boundary=2'],
  64: WIDTH[64],
};
const bench = (bits) => ({
  image: `bench/guest${bits}.elf`,
  folder: 'bench',
  bits,
  objects: sourcesOf('bench').flatMap((source) =>
    source === 'floating.c'
      ? [
          { source, name: 'sse', flags: [...SSE[bits], ...STEADY, '-mfpmath=sse', '-DRUN=run_fpsse'] },
          { source, name: 'x87', flags: [...WIDTH[bits], ...STEADY, '-mfpmath=387', '-DRUN=run_fpx87'] },
        ]
      : [{ source, flags: [...WIDTH[bits], ...STEADY, '-mgeneral-regs-only'] }],
  ),
});
/** Its console and its interrupt entries are the workload guest's. */
const checks = (bits) => ({
  image: `checks/checks${bits}.elf`,
  folder: 'checks',
  bits,
  objects: [...sourcesOf('checks'), '../workload/console.c', '../workload/interrupt.S'].map((source) => ({
    source,
    name: basename(source),
    flags: [...WIDTH[bits], '-mgeneral-regs-only'],
  })),
});
/** Real mode and nothing else. */
const real16 = { image: 'real16/real16.elf', folder: 'real16', bits: 32, objects: [{ source: 'real16.S', flags: WIDTH[32] }] };
const v86 = {
  image: 'v86/v86.elf',
  folder: 'v86',
  bits: 32,
  objects: [...sourcesOf('v86'), '../workload/console.c'].map((source) => ({
    source,
    name: basename(source),
    flags: [...WIDTH[32], '-mgeneral-regs-only'],
  })),
};
/** A program for Linux, not a kernel: an ELF file of its own width. */
const agent = (bits) => ({
  image: `agent/agent${bits}.elf`,
  folder: 'agent',
  bits,
  isProgram: true,
  objects: sourcesOf('agent').map((source) => ({ source, flags: [...WIDTH[bits], '-mgeneral-regs-only'] })),
});
const GUESTS = [workload(32), workload(64), bench(32), bench(64), checks(32), checks(64), real16, v86, agent(32), agent(64)];

const run = (command, args, cwd) => execFileSync(command, args, { cwd, stdio: ['ignore', 'pipe', 'inherit'] }).toString();

/** First line of the compiler's and the linker's version: images are compared only when these are the recorded ones. */
export const toolVersions = () => `${run('gcc', ['--version']).split('\n')[0]}\n${run('ld', ['--version']).split('\n')[0]}\n`;

const build = (guest, work, out) => {
  const folder = join(guests, guest.folder);
  const objects = guest.objects.map(({ source, name, flags }) => {
    const object = join(work, `${guest.folder}${guest.bits}-${name ?? source}.o`);
    const language = source.endsWith('.S') ? ['-Wa,--noexecstack', `-ffile-prefix-map=${folder}=.`] : [];
    run('gcc', [...flags, ...COMMON, ...language, '-I.', '-I../include', '-c', source, '-o', object], folder);
    return object;
  });
  const linked = join(work, `${guest.folder}${guest.bits}.linked`);
  const machine = guest.bits === 64 ? ['-m', 'elf_x86_64', '-z', 'max-page-size=4096'] : ['-m', 'elf_i386'];
  run('ld', [...machine, '--build-id=none', '--no-warn-rwx-segments', '-T', 'link.ld', '-o', linked, ...objects], folder);
  mkdirSync(dirname(join(out, guest.image)), { recursive: true });
  // Multiboot loaders take ELF32 only, so the 64-bit image travels in that container too.
  const form = guest.isProgram ? ['--strip-all'] : ['-O', 'elf32-i386', '--strip-debug'];
  run('objcopy', [...form, linked, join(out, guest.image)], folder);
};

const layouts = join(root, 'dist/shared/layout');
/** C headers that are made from layouts. */
const HEADERS = [
  { file: 'workload/job-page.h', layout: 'job-page.js', header: jobPageHeader },
  { file: 'agent/agent-jobs.h', layout: 'agent-jobs.js', header: agentJobsHeader },
];

export const buildGuests = async (out = guests) => {
  // A build elsewhere (the test's) leaves the tree alone.
  if (out === guests && existsSync(join(layouts, 'job-page.js')))
    for (const { file, layout, header } of HEADERS) {
      const text = header(await import(join(layouts, layout)));
      const path = join(guests, file);
      if (!existsSync(path) || readFileSync(path, 'utf8') !== text) writeFileSync(path, text);
    }
  const work = mkdtempSync(join(tmpdir(), 'hvd-guests-'));
  try {
    for (const guest of GUESTS) build(guest, work, out);
    writeFileSync(join(out, 'images/BUILT-WITH'), toolVersions());
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const at = process.argv.indexOf('--out');
  await buildGuests(at > 0 ? resolve(process.argv[at + 1]) : guests);
}
