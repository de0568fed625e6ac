// One line for each instruction that is run, with what it changed: written to a queue in shared memory by whichever LP runs, read by root.
// Why a lock and one queue: the lines of several processors stand in the order in which the instructions were run (exactly so under the deterministic clock).
//
//   VP  RIP               BYTES                           INSTRUCTION                     CHANGED
//   0   0000000000101234  48 01 d8                        add rax, rbx                    rax=0000000000000003 flags=00000202
// A full queue is waited for, for a while: then lines are dropped and counted, because an LP must never hang on its reader.
import { ObservationLayout, TRACE_CAPACITY, TRACE_QUEUE, type TraceSettings } from '../../shared/layout/observation.js';
import { ByteQueue } from '../../shared/layout/ring.js';
import { type Views, viewsOf } from '../../shared/layout/struct.js';
import { VectorSlot, type VpBlock, VpLayout } from '../../shared/layout/vp.js';
import { Disassembler } from '../translate/decode/disassembly.js';
import { rflags } from './cpu/flags.js';
import { FutexLock } from './futex-lock.js';
import type { GuestProcessor } from './guest-processor.js';
import { SharedWords } from './shared-words.js';

/** General registers in the order of their slots. */
const NAMES = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'] as const;
/** Registers of 128 bits by their place in the VP block: two words each. YMM registers show as their upper halves, x87 and MMX ones as the processor numbers them. */
const WIDE: readonly { readonly name: string; readonly at: number }[] = [
  ...Array.from({ length: 16 }, (_, i) => ({ name: `xmm${i}`, at: VpLayout.at.vectors + (VectorSlot.XMM + i) * 16 })),
  ...Array.from({ length: 16 }, (_, i) => ({ name: `ymm${i}.high`, at: VpLayout.at.vectors + (VectorSlot.YMM_HIGH + i) * 16 })),
  ...Array.from({ length: 8 }, (_, i) => ({ name: `fpr${i}`, at: VpLayout.at.fpuRegisters + i * 16 })),
];
const BEGUN = ObservationLayout.at.traceBegun >>> 2;
const TRACED = ObservationLayout.at.traced >>> 2;
const LOST = ObservationLayout.at.traceLost >>> 2;
/** How long a full queue is waited for, in naps of this length. */
const NAP_MS = 5;
const NAPS_MAX = 400;

export class InstructionTrace {
  /** Linear address at which tracing begins, NaN once it has begun. */
  from: number;
  readonly #settings: TraceSettings;
  readonly #memory: Views;
  readonly #lock: FutexLock;
  readonly #queue: ByteQueue;
  readonly #disassembler = new Disassembler();
  readonly #encoder = new TextEncoder();
  readonly #before = new BigUint64Array(NAMES.length);
  readonly #wideBefore = new BigUint64Array(2 * WIDE.length);
  #flags = 0;
  #over = false;

  constructor(memory: SharedArrayBuffer, settings: TraceSettings) {
    this.#settings = settings;
    this.#memory = viewsOf(memory);
    this.#lock = new FutexLock(new SharedWords(this.#memory), ObservationLayout.at.traceLock);
    this.#queue = new ByteQueue(this.#memory, TRACE_QUEUE, TRACE_CAPACITY);
    this.from = settings.from;
    if (settings.from === -1) this.from = Number.NaN;
  }

  /** Whether the instruction at the linear address is to be traced: the first one asked for has been reached, and the limit has not. */
  wants(linear: number): boolean {
    if (this.#over) return false;
    if (Number.isNaN(this.from)) return true;
    if (linear === this.from) Atomics.store(this.#memory.i32, BEGUN, 1);
    else if (Atomics.load(this.#memory.i32, BEGUN) === 0) return false;
    this.from = Number.NaN;
    return true;
  }

  /** Before the instruction. */
  begin({ vp, views }: GuestProcessor): void {
    for (let i = 0; i < NAMES.length; i++) this.#before[i] = views.u64[(vp.base >>> 3) + i];
    for (let i = 0; i < WIDE.length; i++) {
      const at = (vp.base + WIDE[i].at) >>> 3;
      this.#wideBefore[2 * i] = views.u64[at];
      this.#wideBefore[2 * i + 1] = views.u64[at + 1];
    }
    this.#flags = rflags(vp);
  }

  /** After it: writes its line, unless the limit has been reached. `note`: what happened instead of its being retired. */
  end(p: GuestProcessor, bits: 16 | 32 | 64, rip: number, bytes: Uint8Array, note: string): void {
    const { text, length } = this.#disassembler.first(bits, bytes, rip);
    const hex = [...bytes.subarray(0, length)].map((b) => b.toString(16).padStart(2, '0')).join(' ');
    const changes = [...this.#changes(p.vp, p.views), ...(note === '' ? [] : [note])].join(' ');
    const line = `${p.vp.index} ${hex64(BigInt(rip))}  ${hex.padEnd(30)}  ${text.padEnd(36)}  ${changes}`;
    this.#write(this.#encoder.encode(`${line.trimEnd()}\n`));
  }

  #changes(vp: VpBlock, views: Views): string[] {
    const changes: string[] = [];
    for (const [i, name] of NAMES.entries()) {
      const value = views.u64[(vp.base >>> 3) + i];
      if (this.#settings.allRegisters || value !== this.#before[i]) changes.push(`${name}=${hex64(value)}`);
    }
    for (let i = 0; i < WIDE.length; i++) {
      const at = (vp.base + WIDE[i].at) >>> 3;
      const low = views.u64[at];
      const high = views.u64[at + 1];
      if (low !== this.#wideBefore[2 * i] || high !== this.#wideBefore[2 * i + 1])
        changes.push(`${WIDE[i].name}=${hex64(high)}${hex64(low)}`);
    }
    const flags = rflags(vp);
    if (this.#settings.allRegisters || flags !== this.#flags) changes.push(`flags=${(flags >>> 0).toString(16).padStart(8, '0')}`);
    return changes;
  }

  #write(line: Uint8Array): void {
    const { i32, u32 } = this.#memory;
    this.#lock.lock();
    try {
      if (i32[TRACED] >= this.#settings.limit) {
        this.#over = true;
        return;
      }
      Atomics.add(i32, TRACED, 1);
      for (let naps = 0; TRACE_CAPACITY - this.#queue.length < line.length; naps++) {
        if (naps === NAPS_MAX) {
          Atomics.add(u32, LOST, 1);
          return;
        }
        Atomics.wait(i32, LOST, u32[LOST], NAP_MS);
      }
      this.#queue.write(line);
    } finally {
      this.#lock.unlock();
    }
  }
}

const hex64 = (value: bigint): string => BigInt.asUintN(64, value).toString(16).padStart(16, '0');
