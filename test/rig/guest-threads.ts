// Guest code on several processors at once, each in a worker thread of its own on the memory of one partition: 64-bit user programs that end by INT3.
import { Worker } from 'node:worker_threads';
import { PartitionMap } from '../../shared/layout/partition.js';
import { type Views, viewsOf } from '../../shared/layout/struct.js';
import { bareMemory } from './bare-processor.js';

/** Linear = guest physical addresses of what the programs see, the same for all. */
export const Place = { CODE: 0x2_0000, DATA: 0x4_0000 } as const;
export const CODE_BYTES = 0x4000;
export const DATA_BYTES = 0x10_0000;
/** One set of system tables a processor, after each other: room for four. */
export const SYSTEM_GPA = 0x2000;
export const SYSTEM_BYTES = 0x5000;
const RAM_BYTES = Place.DATA + DATA_BYTES;
const INT3_OPCODE = 0xcc;

export type ThreadTiers = 'both' | 'cold' | 'hot';
export interface ThreadData {
  readonly memory: WebAssembly.Memory;
  readonly lp: number;
  readonly lps: number;
  readonly tiers: ThreadTiers;
}
/** Where to begin; registers by number. */
export interface ThreadStart {
  readonly rip: number;
  readonly registers: Readonly<Record<number, bigint | number>>;
}
export interface ThreadEnd {
  readonly vector: number;
  readonly rip: number;
  readonly error: string | null;
  readonly busLocks: number;
  readonly compilations: number;
}

export interface GuestThreads {
  readonly views: Views;
  /** Index in the views of a byte of guest memory. */
  at(address: number): number;
  /** Puts code at an address. Only before the first run of it. */
  load(address: number, code: Uint8Array): void;
  /** Starts all threads at once; resolves when all have ended. */
  run(starts: readonly ThreadStart[]): Promise<ThreadEnd[]>;
  close(): Promise<void>;
}

export const guestThreads = (lps: number, tiers: ThreadTiers): GuestThreads => {
  const memory = bareMemory(RAM_BYTES, lps);
  const views = viewsOf(memory.buffer);
  const at = (address: number): number => PartitionMap.RAM + address;
  views.u8.fill(INT3_OPCODE, at(Place.CODE), at(Place.CODE) + CODE_BYTES);
  const workers = Array.from({ length: lps }, (_, lp) => {
    const workerData: ThreadData = { memory, lp, lps, tiers };
    return new Worker(new URL('./guest-thread.js', import.meta.url), { workerData });
  });
  return {
    views,
    at,
    load: (address, code) => views.u8.set(code, at(address)),
    run: (starts) =>
      Promise.all(
        workers.slice(0, starts.length).map(
          (worker, i) =>
            new Promise<ThreadEnd>((resolve, reject) => {
              worker.once('message', (end: ThreadEnd) => {
                worker.off('error', reject);
                resolve(end);
              });
              worker.once('error', reject);
              worker.postMessage(starts[i]);
            }),
        ),
      ),
    close: async () => {
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
};
