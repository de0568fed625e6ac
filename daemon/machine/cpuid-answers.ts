// What CPUID has answered on this LP to the VP that it runs, kept where translated code finds it (translate/emit/cpuid-answer).
// An answer is good until something that CPUID shows may have changed: the VP, CR4, XCR0, IA32_APIC_BASE (SDM 2A CPUID).
import { ANSWER_ENTRIES, ANSWER_SIZE, Answer } from '../../shared/layout/cpuid-answer.js';
import { LpContextLayout } from '../../shared/layout/lp-context.js';
import type { Views } from '../../shared/layout/struct.js';

const { answers, answersVersion, answerCycles, answersGiven } = LpContextLayout.at;

export class CpuidAnswers {
  readonly #i32: Int32Array;
  readonly #context: number;
  /** Whether answers are kept at all. */
  isKept = true;

  /** `cycles`: what an answer costs the guest, as its intercept charges it. */
  constructor({ i32 }: Views, context: number, cycles: number) {
    this.#i32 = i32;
    this.#context = context;
    i32[(context + answerCycles) >>> 2] = cycles;
    // Zeroed entries are of version 0.
    this.forget();
  }

  keep(leaf: number, subleaf: number, [eax, ebx, ecx, edx]: readonly [number, number, number, number]): void {
    if (!this.isKept) return;
    const i32 = this.#i32;
    const at = (this.#context + answers + ((leaf ^ (leaf >>> 29)) & (ANSWER_ENTRIES - 1)) * ANSWER_SIZE) >>> 2;
    i32[at + (Answer.LEAF >> 2)] = leaf;
    i32[at + (Answer.SUBLEAF >> 2)] = subleaf;
    i32[at + (Answer.EAX >> 2)] = eax;
    i32[at + (Answer.EBX >> 2)] = ebx;
    i32[at + (Answer.ECX >> 2)] = ecx;
    i32[at + (Answer.EDX >> 2)] = edx;
    i32[at + (Answer.VERSION >> 2)] = i32[(this.#context + answersVersion) >>> 2];
  }

  forget(): void {
    this.#i32[(this.#context + answersVersion) >>> 2]++;
  }

  /** Answers given by translated code since the last call. */
  takeGiven(): number {
    const at = (this.#context + answersGiven) >>> 2;
    const given = this.#i32[at];
    if (given !== 0) this.#i32[at] = 0;
    return given;
  }
}
