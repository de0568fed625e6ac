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

/** Delivered in a second of the guest's time, at 1 GHz. */
const interruptsPerSecond = (report: RunReport): number => (sum(report, 'virtualInterrupts') * FREQUENCY_HZ) / report.cycles;
const FREQUENCY_HZ = 1e9;

/** Of the cycles that VPs ran, those that were no instruction of the guest's, percent. */
const hypervisorPercent = ({ partition: { vps } }: RunReport): number =>
  100 * (1 - vps.reduce((total, { instructions }) => total + instructions, 0) / vps.reduce((total, { runCycles }) => total + runCycles, 0));

const guest = (job: string, vps: number): Experiment['guest'] => ({
  image: 'workload64',
  vps,
  hv: 'linux',
  append: `job=${job} milliseconds=200`,
});
/** IPIs and timers of the APIC are no SINTs: `auto` leaves them to the assist page. */
const settings = ['apic.eoi=exit', 'apic.eoi=assist', 'apic.eoi=auto'];

export const EOI_EXPERIMENTS: readonly Experiment[] = [
  {
    name: 'timer ticks',
    guest: guest('timer:period=100000', 4),
    settings,
    unit: 'EOI intercepts an interrupt',
    bar: 'exit 1, others ≤ 0.1',
    measure: interceptsPerInterrupt,
  },
  {
    name: 'requests that all VPs answer',
    guest: guest('ipi:mode=1', 4),
    settings,
    unit: 'EOI intercepts an interrupt',
    bar: 'exit 1, others ≤ 0.1',
    measure: interceptsPerInterrupt,
  },
  {
    name: 'ping-pong between VPs',
    guest: guest('ipi', 4),
    settings,
    unit: 'EOI intercepts an interrupt',
    bar: 'exit 1, others ≤ 0.1',
    measure: interceptsPerInterrupt,
  },
  {
    name: 'ping-pong of a VP with itself: each EOI but the last has another interrupt waiting',
    guest: guest('ipi', 1),
    settings,
    unit: 'EOI intercepts an interrupt',
    measure: interceptsPerInterrupt,
  },
  ...(['ipi', 'ipi:mode=1'] as const).flatMap((job): Experiment[] => [
    {
      name: job === 'ipi' ? 'ping-pong between VPs, end to end' : 'requests that all VPs answer, end to end',
      guest: guest(job, 4),
      settings,
      unit: 'interrupts/s',
      measure: interruptsPerSecond,
    },
    {
      name: job === 'ipi' ? 'ping-pong between VPs, end to end' : 'requests that all VPs answer, end to end',
      guest: guest(job, 4),
      settings,
      unit: 'cycles in the hypervisor, %',
      measure: hypervisorPercent,
    },
  ]),
  {
    name: 'what a round trip costs',
    guest: guest('ipi', 1),
    settings,
    unit: 'cycles a round trip',
    measure: latency,
  },
];
