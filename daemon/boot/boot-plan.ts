// What a loader decides before anything is written: bytes for places, and the state in which VP 0 starts.

export interface Chunk {
  readonly gpa: number;
  readonly data: Uint8Array;
  /** At least `data.length`; the rest is zeroed. */
  readonly size: number;
}

/** VP 0 at its first instruction: flat segments, interrupts off. */
export interface Entry {
  /** Paging off and 32-bit code, or 64-bit code under `cr3`. */
  readonly mode: 'protected' | 'long';
  readonly rip: number;
  readonly gdt: number;
  readonly codeSelector: number;
  readonly dataSelector: number;
  /** 0 in protected mode. */
  readonly cr3: number;
  readonly rax: number;
  readonly rbx: number;
  readonly rsi: number;
}

export interface BootPlan {
  readonly protocol: 'linux' | 'multiboot' | 'pvh' | 'bios';
  readonly chunks: readonly Chunk[];
  /** Absent: every VP is as after power-up. */
  readonly entry?: Entry;
}

export const chunk = (gpa: number, data: Uint8Array, size = data.length): Chunk => ({ gpa, data, size });

/** A flat global descriptor table: code at `codeSelector`, data at the next one (SDM 3A 3.4.5). */
export const flatGdt = (codeSelector: number, long: boolean): Uint8Array => {
  const table = new Uint8Array(codeSelector + 24);
  const view = new DataView(table.buffer);
  view.setBigUint64(codeSelector, long ? 0x00af_9b00_0000_ffffn : 0x00cf_9b00_0000_ffffn, true);
  view.setBigUint64(codeSelector + 8, 0x00cf_9300_0000_ffffn, true);
  return table;
};

/** A zero-ended command line. Characters beyond Latin-1 become `?`. */
export const asciiz = (text: string): Uint8Array => {
  const bytes = new Uint8Array(text.length + 1);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    bytes[i] = code > 0xff || code === 0 ? 0x3f : code;
  }
  return bytes;
};
