// The flags of `hvd run` that ask for more than the guest's output: what they mean, and where the answers go.
import { readFileSync } from 'node:fs';
import { HvdError, reasonOf } from '../../../shared/protocol/errors.js';
import { type GuestSymbols, readSymbols } from '../../boot/symbols.js';
import type { ObservationRequest } from '../../root/observation.js';

export interface ObserveFlags {
  readonly count?: boolean;
  /** True without a file. */
  readonly profile?: boolean | string;
  readonly symbols?: string;
  readonly traceInsns?: boolean | string;
  readonly traceFrom?: string;
  readonly traceLimit?: string;
  readonly traceRegisters?: string;
}

/** Instructions traced when nobody says how many. */
export const TRACE_LIMIT = 10_000;
const TRACE_LIMIT_MAX = 1_000_000_000;
/** Retired instructions between two samples of the stack. */
const STACK_PERIOD = 50_000;

export interface ObservePlan {
  readonly request: ObservationRequest | undefined;
  readonly symbols: GuestSymbols;
}

export const planObservation = (image: string, flags: ObserveFlags): ObservePlan => {
  const profile = flags.profile !== undefined;
  const trace = flags.traceInsns !== undefined;
  for (const [name, given] of Object.entries({ from: flags.traceFrom, limit: flags.traceLimit, registers: flags.traceRegisters }))
    if (given !== undefined && !trace) throw new HvdError('usage', { what: `--trace-${name} needs --trace-insns` });
  const symbols = profile || trace ? symbolsOf(image, flags.symbols) : readSymbols(new Uint8Array());
  if (flags.count !== true && !profile && !trace) return { request: undefined, symbols };
  return {
    symbols,
    request: {
      count: flags.count === true || profile,
      stackPeriod: profile ? STACK_PERIOD : 0,
      trace: trace
        ? { from: addressOf(flags.traceFrom, symbols), limit: limitOf(flags.traceLimit), allRegisters: flags.traceRegisters === 'all' }
        : undefined,
    },
  };
};

const symbolsOf = (image: string, file: string | undefined): GuestSymbols => {
  try {
    return readSymbols(readFileSync(file ?? image));
  } catch (error) {
    throw new HvdError('image.unreadable', { file: file ?? image, why: reasonOf(error) }, error);
  }
};

const addressOf = (text: string | undefined, symbols: GuestSymbols): number => {
  if (text === undefined) return -1;
  const named = symbols.addressOf(text);
  if (named !== undefined) return named;
  if (!/^(0x[0-9a-f]{1,16}|\d{1,15})$/i.test(text))
    throw new HvdError('usage', {
      what: `--trace-from: neither an address nor one of the ${symbols.count} symbols: ${JSON.stringify(text)}`,
    });
  return Number(BigInt.asIntN(64, BigInt(text)));
};

const limitOf = (text: string | undefined): number => {
  const limit = Number(text ?? TRACE_LIMIT);
  if (!Number.isInteger(limit) || limit < 1 || limit > TRACE_LIMIT_MAX)
    throw new HvdError('usage', {
      what: `--trace-limit: expected a number of instructions up to ${TRACE_LIMIT_MAX}, got ${JSON.stringify(text)}`,
    });
  return limit;
};
