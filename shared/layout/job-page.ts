// The job area: memory of a workload guest that it shares with its host, where jobs are asked for and their results counted.
// Why in the layouts: the host writes it, the guest's C header is generated from it (configs/guests/job-page-header.mjs), and neither may drift.
//
//   +0x000  header, 128 bytes
//   +0x080  one entry per VP, 128 bytes each: the first 64 written by the host only, the other 64 by the VP only
//   +0x2080 one histogram of latencies per VP, 640 bytes each: counts (u32) by a quarter of an octave, written by the VP only
//
// Device ports (32-bit): a write to ANNOUNCE gives the area's GPA; SEQUENCE reads a number that the host raises after each change, pulsing ISA IRQ 5
// with it; OPERATION takes the writes of the `io` job. Where there is no such device SEQUENCE reads all ones.
import { accessor, block, struct, u32, u64, type Views } from './struct.js';

export const JobPort = { ANNOUNCE: 0x510, SEQUENCE: 0x514, OPERATION: 0x518 } as const;
/** ISA interrupt line that the device pulses (edge, to I/O APIC pin 5). */
export const JOB_IRQ = 5;
export const JOB_PAGE_MAGIC = 0x4a647668;
export const JOB_PAGE_VERSION = 2;
/** Bytes of the whole area, 4 KiB aligned and contiguous in guest physical memory. */
export const JOB_AREA_SIZE = 0xd000;
export const JOB_ENTRIES = 64;
export const JOB_PARAMETERS = 8;

export const JobPageLayout = struct(
  'JobPage',
  {
    magic: u32,
    version: u32,
    /** VPs that the guest has started. */
    vpCount: u32,
    /** Value of port SEQUENCE that the guest acted on last. */
    sequence: u32,
    /** 32 or 64: the build. */
    bits: u32,
  },
  128,
);
export const JobPage = accessor(JobPageLayout);
export type JobPage = InstanceType<typeof JobPage>;

export const JobEntryLayout = struct(
  'JobEntry',
  {
    /** Changes with each request; odd while the host is writing one, then the VP waits for it to become even. */
    jobSequence: u32,
    /** Job number, see JOBS. */
    jobRequested: u32,
    parameters: block(JOB_PARAMETERS * 4, 4),
    _guest: block(0, 64),
    /** Job that the VP runs now. */
    jobRunning: u32,
    /** jobSequence of the running job: once it equals jobSequence the counters below belong to that request (they start at 0 with it). */
    jobAccepted: u32,
    operations: u64,
    /** Latencies in TSC cycles. A 32-bit guest writes the halves apart: a reader who needs the exact value reads twice. */
    latencySum: u64,
    latencyMax: u64,
    latencyCount: u64,
    /** Broken promises that the job found: lost mutual exclusion, stale translations, wrong contents. */
    errors: u32,
  },
  128,
);
export const JobEntry = accessor(JobEntryLayout);
export type JobEntry = InstanceType<typeof JobEntry>;

/** Bytes of an entry that the host writes. */
export const JOB_REQUEST_SIZE = 64;
export const JOB_ENTRIES_AT = JobPageLayout.size;
/** Byte offset of a VP's entry in the area. */
export const jobEntryAt = (vp: number): number => JOB_ENTRIES_AT + vp * JobEntryLayout.size;

/** Counts of a VP's histogram: below 4 cycles one for each, then four an octave, equally wide; the last one is for all that is longer. */
export const LATENCY_COUNTS = 160;
export const JOB_HISTOGRAMS_AT = jobEntryAt(JOB_ENTRIES);
/** Byte offset of a VP's histogram in the area. */
export const jobHistogramAt = (vp: number): number => JOB_HISTOGRAMS_AT + vp * LATENCY_COUNTS * 4;
/** Cycles from which on a latency is counted there. */
const latencyFrom = (count: number): number => (count < 4 ? count : (4 + (count & 3)) * 2 ** ((count >>> 2) - 1));
/** Latency in cycles that so large a share of those counted is below: the upper end of its count, so at most a quarter too much. 0 when there are none. */
export const latencyQuantile = (counts: Uint32Array, share: number): number => {
  let left = 0;
  for (const count of counts) left += count;
  if (left === 0) return 0;
  left *= share;
  for (let i = 0; i < counts.length; i++) {
    left -= counts[i];
    if (left <= 0) return latencyFrom(i + 1);
  }
  return latencyFrom(counts.length);
};

export interface JobDescription {
  readonly number: number;
  /** Parameter names in order with the values they have when not given. */
  readonly parameters: Readonly<Record<string, number>>;
}
/** Jobs of the workload guest; configs/guests/README.md says what each does. */
export const JOBS = {
  idle: { number: 0, parameters: {} },
  compute: { number: 1, parameters: { unit: 1000 } },
  spinlock: { number: 2, parameters: { kind: 0, hold: 100, think: 1000, contenders: 0, off: 0, notify: 0, random: 0, idle: 0 } },
  pagechurn: { number: 3, parameters: { pages: 16, shared: 0, probe: 1, reload: 0, tables: 0 } },
  switch: { number: 4, parameters: { spaces: 4, pages: 16, private: 0, flush: 0 } },
  ipi: { number: 5, parameters: { mode: 0, spin: 0, think: 0 } },
  timer: { number: 6, parameters: { period: 1000000, mode: 0 } },
  io: { number: 7, parameters: { think: 100 } },
  message: { number: 8, parameters: { role: 0, window: 1, think: 0, connection: 16, auto: 0, size: 16 } },
  device: { number: 9, parameters: { hold: 1000 } },
} as const satisfies Record<string, JobDescription>;
export type JobName = keyof typeof JOBS;
export const JOB_NAMES = Object.keys(JOBS) as readonly JobName[];
export const isJobName = (name: string): name is JobName => Object.hasOwn(JOBS, name);

/** Parameter words of a job with defaults filled in, or the name of a parameter that the job does not have or that is no u32. */
export const jobParameters = (
  { parameters: known }: JobDescription,
  given: Readonly<Record<string, number>> = {},
): number[] | { readonly unknown: string } => {
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(known, name) || !Number.isInteger(value) || value < 0 || value > 0xffffffff) return { unknown: name };
  }
  return Object.entries(known).map(([name, initial]) => given[name] ?? initial);
};

/** Asks VP `vp` for a job, by its number; `area` is the byte address of the job area in `views`. The caller then raises SEQUENCE and pulses the line. One writer at a time. */
export const writeJob = (views: Views, area: number, vp: number, job: number, parameters: readonly number[]): void => {
  const entry = (area + jobEntryAt(vp)) >>> 2;
  const sequence = Atomics.load(views.u32, entry);
  Atomics.store(views.u32, entry, (sequence | 1) >>> 0);
  Atomics.store(views.u32, entry + (JobEntryLayout.at.jobRequested >>> 2), job);
  for (let i = 0; i < JOB_PARAMETERS; i++) Atomics.store(views.u32, entry + (JobEntryLayout.at.parameters >>> 2) + i, parameters[i] ?? 0);
  Atomics.store(views.u32, entry, ((sequence | 1) + 1) >>> 0);
};
