// A stable letter for each VP and a stable colour number for each partition, given out in order of first sight.
// Why stable: a lane is read by following one letter from LP to LP; a mark that changed its owner would lie about the past.
import type { MachineStats } from '../../shared/protocol/messages.js';

export const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
/** Marks kept at most; beyond, numbers are used again from 0. */
export const MARKS_MAX = 4096;

export interface VpMark {
  readonly letter: string;
  /** Order of first sight of the VP's partition. */
  readonly partition: number;
  readonly vp: number;
}

export class VpMarks {
  readonly #codes = new Map<string, number>();
  readonly #marks: VpMark[] = [];
  readonly #partitions = new Map<string, number>();
  #next = 0;

  /** Meets every VP of the sample, in order, so that letters follow the order of partitions and not of scheduling. */
  learn(stats: MachineStats): void {
    for (const partition of stats.partitions) for (const vp of partition.vps) this.code(partition.name, vp.id);
  }

  partition(name: string): number {
    let index = this.#partitions.get(name);
    if (index === undefined) {
      if (this.#partitions.size >= MARKS_MAX) this.#partitions.clear();
      index = this.#partitions.size;
      this.#partitions.set(name, index);
    }
    return index;
  }

  /** The number that lanes store for a VP. */
  code(partition: string, vp: number): number {
    const key = `${partition}/${vp}`;
    let code = this.#codes.get(key);
    if (code === undefined) {
      if (this.#codes.size >= MARKS_MAX) this.#codes.clear();
      code = this.#next++ % MARKS_MAX;
      this.#codes.set(key, code);
      this.#marks[code] = { letter: LETTERS[code % LETTERS.length] ?? '?', partition: this.partition(partition), vp };
    }
    return code;
  }

  /** Of `partition/vp` as LpStats names it. */
  codeOf(vp: string): number {
    const slash = vp.lastIndexOf('/');
    return this.code(vp.slice(0, slash), Number(vp.slice(slash + 1)));
  }

  mark(code: number): VpMark {
    return this.#marks[code] ?? { letter: '?', partition: 0, vp: 0 };
  }
}
