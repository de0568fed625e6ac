// What one hypercall is, and what it works on: its part of the contract with the dispatcher. One file for each in hypercalls/.
// Why input is copied first: a guest's other VPs may change it while it is looked at; what was checked must be what is done (TLFS 3.5 leaves it undefined).
import type { HvStatus } from '../../../shared/abi/hyperv.js';
import type { HyperV } from './hyperv.js';

/** Input and output of the call that is being made. Reused: nothing keeps it. */
export interface CallData {
  /** From the first byte of the header; values are little-endian. */
  readonly input: DataView;
  readonly output: DataView;
  /** Bytes of the variable header; rep elements follow it. */
  readonly variableBytes: number;
}

interface Common {
  readonly code: number;
  readonly name: string;
  /** Whether the partition may make it: else ACCESS_DENIED. */
  allowed(hv: HyperV): boolean;
  /** Bytes of the fixed input header. */
  readonly header: number;
  /** It may have a variable header. */
  readonly variable?: boolean;
}
export interface SimpleHypercall extends Common {
  readonly kind: 'simple';
  /** Bytes of output. */
  readonly output: number;
  run(hv: HyperV, call: CallData): HvStatus;
}
export interface RepHypercall extends Common {
  readonly kind: 'rep';
  /** Bytes of a list element, input and output. */
  readonly element: { readonly input: number; readonly output: number };
  /** Looks at the header, once each time the instruction is executed. */
  begin(hv: HyperV, call: CallData): HvStatus;
  /** One element: its input at `input`, its output at `output`. */
  each(hv: HyperV, call: CallData, input: number, output: number): HvStatus;
  /** After the elements of this execution, before the caller goes on. */
  end?(hv: HyperV): void;
}
export type Hypercall = SimpleHypercall | RepHypercall;
