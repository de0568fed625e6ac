// This host's processor as an oracle: builds harness/live.c once and runs batches of cases in it, through pipes.
// Why a process a batch: nothing that a case does can outlive it, and the calls stay synchronous; a batch of thousands takes some ten milliseconds.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, renameSync } from 'node:fs';
import { arch, platform, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BITS, type Bits, VECTOR_BYTES } from './layout.js';
import { pastBugs } from './past-bugs.js';
import { type End, endDigest, type Group, parseCase, startPage } from './state.js';
import { vectorState } from './vector-state.js';

const GROUP_BYTES = 16;
const INPUT_BYTES = 16 * 8 + 8 + 8 + 8;
const SELECTORS = 6;
const OUTPUT_BYTES = 16 * 8 + 3 * 8 + 16 + 16;
const CHANGE_BYTES = 16;
const BREAKPOINT = 3;
const PAGE_FAULT = 14;
const OUTPUT_MAX = 1 << 30;
/** Whose processors the cases' undefined and model specific results are. */
const VENDOR = 'GenuineIntel';
/** Vector of a case that did not end. */
export const ENDLESS = 255;

export interface HostProcessor {
  /** Ends of every start of every group, in order. All groups have the same mode. */
  run(bits: Bits, groups: readonly Group[]): End[][];
}

const FLAGS = ['-O2', '-Wall', '-static-pie', '-fPIE', '-fno-stack-protector', '-mno-red-zone', '-fcf-protection=none'];

const source = (): string => {
  const here = fileURLToPath(import.meta.url);
  return join(here.slice(0, here.lastIndexOf('/test/vectors/')).replace(/\/dist$/, ''), 'test/vectors/harness/live.c');
};

/** Path of the built harness, or why there is none. It is kept by the hash of its source. */
const build = (): { readonly program: string } | { readonly reason: string } => {
  if (platform() !== 'linux' || arch() !== 'x64') return { reason: `the host is ${platform()} on ${arch()}, not Linux on x86-64` };
  const file = source();
  const hash = createHash('sha256').update(readFileSync(file)).update(FLAGS.join()).digest('hex').slice(0, 16);
  const program = join(tmpdir(), `hvd-live-${process.getuid?.() ?? 0}-${hash}`);
  if (existsSync(program)) return { program };
  const made = join(mkdtempSync(join(tmpdir(), 'hvd-live-')), 'live');
  const gcc = spawnSync('gcc', [...FLAGS, '-o', made, file], { encoding: 'utf8' });
  if (gcc.error !== undefined) return { reason: 'no gcc on this host' };
  if (gcc.status !== 0) return { reason: `gcc: ${gcc.stderr.split('\n')[0]}` };
  renameSync(made, program);
  return { program };
};

const encode = (groups: readonly Group[]): Buffer => {
  const size = groups.reduce(
    (n, g) =>
      n + GROUP_BYTES + ((g.code.length + 7) & ~7) + g.starts.length * (INPUT_BYTES + (g.starts[0].vectorSeed < 0 ? 0 : VECTOR_BYTES)),
    0,
  );
  const buffer = Buffer.alloc(size);
  let at = 0;
  for (const g of groups) {
    const vectors = g.starts[0].vectorSeed >= 0;
    for (const n of [g.code.length, g.entry, g.starts.length, vectors ? 1 : 0]) at = buffer.writeUInt32LE(n, at);
    buffer.set(g.code, at);
    at += (g.code.length + 7) & ~7;
    for (const s of g.starts) {
      for (let i = 0; i < 16; i++) at = buffer.writeBigUInt64LE(s.registers[i], at);
      at = buffer.writeBigUInt64LE(BigInt(s.flags), at);
      at = buffer.writeUInt32LE(s.page, at);
      at = buffer.writeInt32LE(s.patchWord, at);
      at = buffer.writeBigUInt64LE(s.patchValue, at);
      if (s.vectorSeed >= 0) {
        buffer.set(vectorState(s.vectorSeed), at);
        at += VECTOR_BYTES;
      }
    }
  }
  return buffer;
};

const decode = (output: Buffer, groups: readonly Group[]): End[][] => {
  let at = 0;
  return groups.map((g) =>
    g.starts.map((s) => {
      const registers = new BigUint64Array(16);
      for (let i = 0; i < 16; i++) registers[i] = output.readBigUInt64LE(at + i * 8);
      const tail = at + 128;
      const vector = output.readUInt32LE(tail + 24);
      const changes = output.readUInt32LE(tail + 32);
      const rip = output.readBigUInt64LE(tail + 8);
      const selectors = Array.from({ length: SELECTORS }, (_, i) => output.readUInt16LE(tail + 40 + i * 2));
      const data = startPage(s);
      at += OUTPUT_BYTES;
      for (let i = 0; i < changes; i++, at += CHANGE_BYTES) {
        const word = output.readUInt32LE(at) * 2;
        data[word] = output.readInt32LE(at + 8);
        data[word + 1] = output.readInt32LE(at + 12);
      }
      const vectors = s.vectorSeed < 0 ? undefined : Uint8Array.from(output.subarray(at, at + VECTOR_BYTES));
      if (vectors !== undefined) at += VECTOR_BYTES;
      return {
        vector,
        error: output.readUInt32LE(tail + 28),
        rip: vector === BREAKPOINT ? rip - 1n : rip,
        cr2: vector === PAGE_FAULT ? output.readBigUInt64LE(tail + 16) : 0n,
        flags: Number(output.readBigUInt64LE(tail)),
        registers,
        selectors,
        data,
        vectors,
      };
    }),
  );
};

const vendor = (): string => /^vendor_id\s*:\s*(\S+)/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? 'of no vendor';

/** What this host does otherwise than the processor that `past-bugs.txt` was taken from: under some hypervisors user mode has no 16- and 32-bit segments, or another base of GS. */
const distrust = (host: HostProcessor): string | undefined => {
  if (vendor() !== VENDOR) return `its processor is ${vendor()}, and hvd's is as ${VENDOR}'s`;
  const bugs = pastBugs().map(({ reason, line }) => ({ reason, case: parseCase(line) }));
  for (const bits of BITS) {
    const cases = bugs.filter((b) => b.case.bits === bits);
    try {
      const ends = host.run(
        bits,
        cases.map((b) => b.case),
      );
      const other = cases.find((b, i) => endDigest(ends[i][0], b.case.undefinedFlags, bits) !== b.case.digest);
      if (other !== undefined) return `its user mode is not a bare processor's: ${other.reason}`;
    } catch {
      return `it runs no ${bits}-bit code`;
    }
  }
  return undefined;
};

/** The host's processor, or the reason why it cannot be asked or believed. */
export const hostProcessor = (): HostProcessor | string => {
  const built = build();
  if ('reason' in built) return built.reason;
  const { program } = built;
  const run = (bits: Bits, groups: readonly Group[]): End[][] => {
    const ran = spawnSync(program, [String(bits)], { input: encode(groups), maxBuffer: OUTPUT_MAX });
    if (ran.status !== 0)
      throw new Error(`${program} ${bits}: ${ran.signal ?? `status ${ran.status}`} ${ran.stderr} for ${groups.length} groups of cases`);
    return decode(ran.stdout, groups);
  };
  return distrust({ run }) ?? { run };
};
