// What `hvd run` was asked to find out: where it goes while the guest runs and at the end.
import type { ObservationRequest } from '../../root/observation.js';
import { AnswerFile, standardError, type TraceSink } from './answer-file.js';
import { accountOf, formatAccount, type InstructionAccount } from './instruction-account.js';
import { type ObserveFlags, type ObservePlan, planObservation } from './observe-flags.js';
import type { Observed } from './private-run.js';
import { formatProfile, type Profile, profileOf } from './profile.js';

/** The part of the `--json` object that is there only when it was asked for. */
export interface AnswersObject {
  readonly count: InstructionAccount | undefined;
  readonly profile: Profile | undefined;
  readonly trace: { readonly traced: number; readonly lost: number } | undefined;
}

export class Answers {
  readonly #flags: ObserveFlags;
  readonly #plan: ObservePlan;
  readonly #traceFile: AnswerFile | undefined;
  readonly #foldedFile: AnswerFile | undefined;

  /** Throws HvdError for flags and files that will not do. */
  constructor(image: string, flags: ObserveFlags) {
    this.#flags = flags;
    this.#plan = planObservation(image, flags);
    this.#traceFile = typeof flags.traceInsns === 'string' ? new AnswerFile('--trace-insns', flags.traceInsns) : undefined;
    this.#foldedFile = typeof flags.profile === 'string' ? new AnswerFile('--profile', flags.profile) : undefined;
  }

  get request(): ObservationRequest | undefined {
    return this.#plan.request;
  }
  get traceSink(): TraceSink {
    return this.#traceFile ?? standardError;
  }

  /** Tells on standard error what went wrong, writes the folded stacks. */
  finish(observed: Observed | undefined): AnswersObject {
    if (observed === undefined) return { count: undefined, profile: undefined, trace: undefined };
    const { traced, traceLost, report, stats } = observed;
    const limit = this.#plan.request?.trace?.limit ?? 0;
    if (limit > 0 && traced >= limit) complain(`the trace ends at its limit of ${limit} instructions (--trace-limit)`);
    if (traceLost > 0) complain(`${traceLost} lines of the trace were lost`);
    const profile = this.#flags.profile === undefined ? undefined : profileOf(report, this.#plan.symbols);
    if (profile !== undefined) this.#foldedFile?.write(Buffer.from(profile.folded.map((line) => `${line}\n`).join('')));
    for (const [option, file] of [
      ['--trace-insns', this.#traceFile],
      ['--profile', this.#foldedFile],
    ] as const)
      if (file?.failure !== undefined) complain(`${option}: the file is not whole: ${file.failure}`);
    return {
      profile,
      count: this.#flags.count === true ? accountOf(report, stats) : undefined,
      trace: this.#flags.traceInsns === undefined ? undefined : { traced, lost: traceLost },
    };
  }

  /** The tables for people. */
  print({ count, profile }: AnswersObject): void {
    for (const text of [profile && formatProfile(profile), count && formatAccount(count)]) if (text) process.stderr.write(`${text}\n`);
  }

  close(): void {
    this.#traceFile?.close();
    this.#foldedFile?.close();
  }
}

const complain = (text: string): void => void process.stderr.write(`hvd: ${text}\n`);
