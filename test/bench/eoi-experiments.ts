// The experiments of the suite `eoi`: what an interrupt costs to end, by policy. "Load": one interrupt at a time, as where a paravirtual EOI cut KVM's APIC exits from 22,124
// to 1,931 (Linux ab9cf4996bb9).
import type { Experiment, RunReport } from './policy-experiments.js';

const sum = ({ partition }: RunReport, counter: string): number =>
  partition.vps.reduce((total, { counters }) => total + (counters[counter] ?? 0), 0);

/** Intercepts of EOIs for each interrupt delivered. */
const interceptsPerInterrupt = (report: RunReport): number =>
  sum(report, 'apicEoiAccesses') / Math.max(1, sum(report, 'virtualInterrupts'));

/** Mean latency of an operation, virtual cycles. */
const latency = ({ partition: { load } }: RunReport): number =>
  load.reduce((total, job) => total + job.latencySum, 0) /
  Math.max(
    1,
    load.reduce((total, job) => total + job.latencyCount, 0),
  );

const guest = (job: string, vps: number): Experiment['guest'] => ({
  image: 'workload64',
  vps,
  hv: 'linux',
  append: `job=${job} milliseconds=200`,
});
const settings = ['apic.eoi=exit', 'apic.eoi=assist'];

export const EOI_EXPERIMENTS: readonly Experiment[] = [
  {
    name: 'timer ticks',
    guest: guest('timer:period=100000', 4),
    settings,
    unit: 'EOI intercepts an interrupt',
    bar: 'exit 1, assist ≤ 0.1',
    measure: interceptsPerInterrupt,
  },
  {
    name: 'requests that all VPs answer',
    guest: guest('ipi:mode=1', 4),
    settings,
    unit: 'EOI intercepts an interrupt',
    bar: 'exit 1, assist ≤ 0.1',
    measure: interceptsPerInterrupt,
  },
  {
    name: 'ping-pong between VPs',
    guest: guest('ipi', 4),
    settings,
    unit: 'EOI intercepts an interrupt',
    bar: 'exit 1, assist ≤ 0.1',
    measure: interceptsPerInterrupt,
  },
  {
    name: 'ping-pong of a VP with itself: each EOI but the last has another interrupt waiting',
    guest: guest('ipi', 1),
    settings,
    unit: 'EOI intercepts an interrupt',
    measure: interceptsPerInterrupt,
  },
  {
    name: 'what a round trip costs',
    guest: guest('ipi', 1),
    settings,
    unit: 'cycles a round trip',
    measure: latency,
  },
];
