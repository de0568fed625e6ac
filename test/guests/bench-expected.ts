// What the bench guests compute with `div=2000`, taken from QEMU TCG 7.2 (both builds agree): checksum and operation count by workload.

export const EXPECTED: Readonly<Record<string, readonly [checksum: string, operations: number]>> = {
  crc: ['df449ddb', 262144],
  crcpg: ['ef5ea6d4', 131072],
  sieve: ['000132a2', 1],
  dhry: ['6bc18097', 4000],
  matmul: ['00052b20', 884736],
  movs: ['2f3679f5', 1966080],
  stos: ['00000000', 1966080],
  qsort: ['7fd69d5d', 1],
  ptchurn: ['00080800', 2048],
  cr3sw: ['000eb280', 100],
  outb: ['00002710', 10000],
  inb: ['0004e200', 10000],
  cpuid: ['0000c350', 50000],
  lapic: ['00027100', 10000],
  int: ['00000fa0', 4000],
  fpx87: ['00004ad4', 1024],
  fresh: ['82019099', 4096],
  cold1: ['82019099', 4096],
  cold50: ['1c51a552', 204800],
  smc: ['000006ea', 60],
  xadd1: ['000249f0', 150000],
  tick1: ['0000c350', 50000],
  xadd2: ['0000c350', 50000],
  tick2: ['000000fa', 250],
  ping: ['000000c8', 200],
  pcrc: ['00000000', 524288],
};
/** Workloads that need a second processor. */
export const TWO_PROCESSORS: readonly string[] = ['xadd2', 'tick2', 'ping', 'pcrc'];
