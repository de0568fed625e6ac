// What root tells an LP with MailCommand.JOB: which VPs of a workload guest get which job. The LP writes it where the guest has its job area (job-page.ts), for guest memory
// is written through the gate that page tables and translated code hang on.
//
//   words  0 slot   1 GPA of the job area   2, 3 bits of VPs   4 number of the job   5.. its parameters
import { JOB_PARAMETERS } from './job-page.js';

export interface JobOrder {
  /** GPA of the job area: all of it is guest RAM. */
  readonly area: number;
  readonly vps: readonly number[];
  readonly job: number;
  readonly parameters: readonly number[];
}

export const jobOrderWords = (slot: number, { area, vps, job, parameters }: JobOrder): number[] => {
  const bits = [0, 0];
  for (const vp of vps) bits[vp >>> 5] |= 1 << (vp & 31);
  return [slot, area, ...bits, job, ...Array.from({ length: JOB_PARAMETERS }, (_, i) => parameters[i] ?? 0)];
};

/** `at`: element index of the words. */
export const readJobOrder = (i32: Int32Array, at: number): JobOrder => {
  const vps: number[] = [];
  for (let vp = 0; vp < 64; vp++) if ((i32[at + 2 + (vp >>> 5)] & (1 << (vp & 31))) !== 0) vps.push(vp);
  const parameters = Array.from({ length: JOB_PARAMETERS }, (_, i) => i32[at + 5 + i] >>> 0);
  return { area: i32[at + 1] >>> 0, vps, job: i32[at + 4], parameters };
};
