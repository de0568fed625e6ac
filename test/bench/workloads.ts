// The workloads of the bench guests by suite, with a divisor that brings each to at most a second or so on a fast engine.

export interface Workload {
  readonly name: string;
  readonly div: number;
}
export interface Suite {
  readonly vps: number;
  readonly workloads: readonly Workload[];
}
const of = (list: Readonly<Record<string, number>>): readonly Workload[] => Object.entries(list).map(([name, div]) => ({ name, div }));

export const SUITES: Readonly<Record<string, Suite>> = {
  cpu: {
    vps: 1,
    workloads: of({
      crc: 4,
      crcpg: 4,
      sieve: 2,
      dhry: 4,
      matmul: 2,
      movs: 4,
      stos: 4,
      qsort: 2,
      fpx87: 2,
      ptchurn: 20,
      cr3sw: 20,
      outb: 10,
      inb: 10,
      cpuid: 20,
      lapic: 20,
      int: 20,
      fresh: 2,
      cold1: 4,
      cold50: 4,
      smc: 1,
      xadd1: 4,
      tick1: 4,
      fpsse: 4,
    }),
  },
  interrupts: { vps: 1, workloads: of({ lapic: 20, int: 20, outb: 10, inb: 10 }) },
  fp: { vps: 1, workloads: of({ fpsse: 1, fpx87: 1 }) },
  smp: { vps: 2, workloads: of({ xadd2: 10, tick2: 1, ping: 2, pcrc: 4 }) },
};
/** Workloads that stay in a few loops: their geometric mean is given apart. */
export const HOT: readonly string[] = ['crc', 'crcpg', 'sieve', 'dhry', 'matmul', 'qsort'];
