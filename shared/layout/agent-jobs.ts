// What the agent in a Linux guest (configs/guests/agent) and the daemon say to each other on the agent's port of the virtio console.
// Why in the layouts: the agent's C header is generated from this (configs/guests/agent-jobs-header.mjs), and neither may drift.
//
//   to it:    s VP JOB P0 .. P3                                  set: this VP does that job from now on
//   from it:  r VP JOB OPERATIONS SUM P99 MAX COUNT ERRORS REQUEST P0 .. P3   report, a line for each VP; latencies in TSC cycles
//
// Lines of words, numbers in hex. The agent reports when it starts, when a job changes, and once a period while there is a job.
import { AGENT_BYTES } from './console-buffer.js';
import { JOBS, type JobDescription } from './job-page.js';

export { AGENT_PORT_NAME } from './console-buffer.js';
export { LATENCY_COUNTS } from './job-page.js';
/** VPs that it knows: its processors 0 to 63. */
export const AGENT_VPS = 64;
export const AGENT_PARAMETERS = 4;
export const AGENT_PERIOD_MS = 50;
/** Most processes of one VP that contend for the lock. */
export const AGENT_THREADS_MAX = 16;

/** Jobs of the agent; configs/guests/README.md says what each does. No name is also one of the workload guest's but `idle`. */
export const AGENT_JOBS = {
  idle: { number: 0, parameters: {} },
  fork: { number: 1, parameters: { pages: 16 } },
  exec: { number: 2, parameters: {} },
  pipe: { number: 3, parameters: { bytes: 1, away: 0 } },
  fault: { number: 4, parameters: { pages: 64, shared: 0 } },
  lock: { number: 5, parameters: { hold: 100, think: 1000, threads: 2 } },
  build: { number: 6, parameters: { files: 4 } },
} as const satisfies Record<string, JobDescription>;

/** Of all guests that take jobs. */
export const GUEST_JOBS: Readonly<Record<string, JobDescription>> = { ...AGENT_JOBS, ...JOBS };
export const isGuestJob = (name: string): boolean => Object.hasOwn(GUEST_JOBS, name);

export const agentOrder = (vp: number, job: number, parameters: readonly number[]): string =>
  `s ${[vp, job, ...Array.from({ length: AGENT_PARAMETERS }, (_, i) => parameters[i] ?? 0)].map((n) => n.toString(16)).join(' ')}\n`;

/** One line of a report. Nothing in it is to be believed but that these are numbers. */
export interface AgentReport {
  readonly vp: number;
  readonly job: number;
  readonly operations: number;
  readonly latencySum: number;
  readonly latencyP99: number;
  readonly latencyMax: number;
  readonly latencyCount: number;
  readonly errors: number;
  /** Another one with each order that the VP's worker has begun. */
  readonly request: number;
  readonly parameters: readonly number[];
}

/** Longest line of a report: words of 32 bits, and five of 64. */
const REPORT_MAX = 2 + (4 + AGENT_PARAMETERS) * 9 + 5 * 17;
/** Bytes at the end of what the agent has said that hold a whole report of so many VPs, whatever its place: the last one may be half written. */
export const reportBytes = (vps: number): number => Math.min(AGENT_BYTES, 2 * vps * REPORT_MAX);

const narrow = (count: number): string => ' ([0-9a-f]{1,8})'.repeat(count);
const REPORT = new RegExp(`^r${narrow(2)}${' ([0-9a-f]{1,16})'.repeat(5)}${narrow(2 + AGENT_PARAMETERS)}$`);

/** The last line of each of so many VPs, by VP, in `text` whose first and last line may be parts of one. */
export const agentReports = (text: string, vps: number): ReadonlyMap<number, AgentReport> => {
  const reports = new Map<number, AgentReport>();
  for (const line of text.split('\n').slice(0, -1)) {
    const words = REPORT.exec(line);
    if (words === null) continue;
    const [
      vp = 0,
      job = 0,
      operations = 0,
      latencySum = 0,
      latencyP99 = 0,
      latencyMax = 0,
      latencyCount = 0,
      errors = 0,
      request = 0,
      ...parameters
    ] = words.slice(1).map((word) => Number.parseInt(word, 16));
    if (vp < vps) reports.set(vp, { vp, job, operations, latencySum, latencyP99, latencyMax, latencyCount, errors, request, parameters });
  }
  return reports;
};
