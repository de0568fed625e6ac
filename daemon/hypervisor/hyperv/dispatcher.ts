// The life of a hypercall from its registers to its result (TLFS 3): which call it is, whether the partition may make it, whether the control word and the addresses are
// right; then input is copied, the call made, output written. Whatever a guest hands in ends in a status or a fault of its own.
// Order: privilege goes before everything that would tell the caller something (TLFS 3.9.2); the rest is in the order in which it can be known.

import { Vector } from '../../../shared/abi/exceptions.js';
import { HV_FAST_BYTES, HV_XMM_FAST_BYTES, HvControl, HvFeature, HvStatus } from '../../../shared/abi/hyperv.js';
import { Caller } from './caller.js';
import type { CallData, Hypercall, RepHypercall } from './hypercall.js';
import type { HyperV } from './hyperv.js';
import { ParameterPage } from './parameter-page.js';

/** A page: no parameter list crosses one. */
const PARAMETERS_MAX = 4096;
/** How long a call may take before the caller's VP looks at its interrupts again (TLFS 3.4), in seconds. */
const EXECUTION_S = 50e-6;
/** Charged for each element of a list, cycles. */
const ELEMENT_COST = 'hypercallElement';

export class Dispatcher {
  readonly #hv: HyperV;
  readonly #calls: ReadonlyMap<number, Hypercall>;
  readonly #caller = new Caller();
  readonly #pages: ParameterPage;
  readonly #data: { input: DataView; output: DataView; variableBytes: number };
  readonly #elementsMax: number;
  /** Elements done of a list, before this execution and now. */
  #first = 0;
  #done = 0;
  #again = false;

  constructor(hv: HyperV, calls: readonly Hypercall[]) {
    this.#hv = hv;
    this.#calls = new Map(calls.map((call) => [call.code, call]));
    this.#pages = new ParameterPage(hv);
    const buffer = (): DataView => new DataView(new ArrayBuffer(PARAMETERS_MAX));
    this.#data = { input: buffer(), output: buffer(), variableBytes: 0 };
    const { frequencyHz, costs } = hv.on.wiring;
    this.#elementsMax = Math.max(1, Math.floor((frequencyHz * EXECUTION_S) / Math.max(1, costs[ELEMENT_COST] ?? 0)));
  }

  /** Executes the call of the VP that runs. False: the instruction is to be executed again. May throw the guest's #UD. */
  execute(): boolean {
    const { on } = this.#hv;
    const caller = this.#caller;
    caller.load(on.processor.vp);
    this.#first = this.#done = 0;
    this.#again = false;
    const status = this.#execute();
    if (this.#again) caller.setRepStart(this.#done);
    else caller.setResult(status, this.#done);
    return !this.#again;
  }

  #execute(): HvStatus {
    const { controlLow: low, controlHigh: high } = this.#caller;
    const call = this.#calls.get(low & HvControl.CODE);
    if (call === undefined) return HvStatus.INVALID_HYPERCALL_CODE;
    if (!call.allowed(this.#hv)) return HvStatus.ACCESS_DENIED;
    const count = high & HvControl.REP_COUNT;
    const start = (high >>> HvControl.REP_START_SHIFT) & HvControl.REP_COUNT;
    const variableBytes = ((low >>> HvControl.VARIABLE_SHIFT) & HvControl.VARIABLE) * 8;
    if ((low & HvControl.RESERVED_LOW) !== 0 || (high & HvControl.RESERVED_HIGH) !== 0) return HvStatus.INVALID_HYPERCALL_INPUT;
    if (variableBytes > 0 && call.variable !== true) return HvStatus.INVALID_HYPERCALL_INPUT;
    if (call.kind === 'rep' ? start >= count : (count | start) !== 0) return HvStatus.INVALID_HYPERCALL_INPUT;
    const inputBytes = call.header + variableBytes + (call.kind === 'rep' ? count * call.element.input : 0);
    const outputBytes = call.kind === 'rep' ? count * call.element.output : call.output;
    this.#data.variableBytes = variableBytes;
    this.#first = this.#done = start;
    return (low & HvControl.FAST) !== 0
      ? this.#fast(call, count, inputBytes, outputBytes)
      : this.#fromMemory(call, count, inputBytes, outputBytes);
  }

  /** Parameters in registers. XMM registers where the partition was not told of them are #UD (TLFS 3.7.3, 3.8.1); 32-bit code gets no output by registers. */
  #fast(call: Hypercall, count: number, inputBytes: number, outputBytes: number): HvStatus {
    const hv = this.#hv;
    const caller = this.#caller;
    const from = Math.ceil(inputBytes / HV_FAST_BYTES) * HV_FAST_BYTES;
    if (inputBytes > HV_XMM_FAST_BYTES || (outputBytes > 0 && from + outputBytes > HV_XMM_FAST_BYTES))
      return HvStatus.INVALID_HYPERCALL_INPUT;
    if (inputBytes > HV_FAST_BYTES && !hv.hasFeature(HvFeature.XMM_INPUT)) throw hv.on.fault.set(Vector.UD);
    if (outputBytes > 0 && !(caller.is64 && hv.hasFeature(HvFeature.XMM_OUTPUT))) throw hv.on.fault.set(Vector.UD);
    caller.readFast(this.#data.input, inputBytes);
    const status = this.#run(call, count);
    if (outputBytes > 0) caller.writeFast(this.#data.output, from, ...this.#outputOf(call, status));
    return status;
  }

  #fromMemory(call: Hypercall, count: number, inputBytes: number, outputBytes: number): HvStatus {
    const pages = this.#pages;
    const input = this.#caller.address(0);
    const output = this.#caller.address(1);
    if (inputBytes > 0 && !pages.isValid(input, inputBytes, false)) return HvStatus.INVALID_ALIGNMENT;
    if (outputBytes > 0 && !pages.isValid(output, outputBytes, true)) return HvStatus.INVALID_ALIGNMENT;
    if (inputBytes > 0 && outputBytes > 0 && input < output + outputBytes && output < input + inputBytes) return HvStatus.INVALID_PARAMETER;
    if (inputBytes > 0) pages.read(input, this.#data.input, inputBytes);
    const status = this.#run(call, count);
    if (outputBytes > 0) pages.write(output, this.#data.output, ...this.#outputOf(call, status));
    return status;
  }

  /** First and last byte, exclusive, of the output that this execution has made. */
  #outputOf(call: Hypercall, status: HvStatus): [number, number] {
    if (call.kind === 'rep') return [this.#first * call.element.output, this.#done * call.element.output];
    return [0, status === HvStatus.SUCCESS ? call.output : 0];
  }

  #run(call: Hypercall, count: number): HvStatus {
    return call.kind === 'rep' ? this.#list(call, count) : call.run(this.#hv, this.#data);
  }

  /** Elements in order, until one fails or the time is over; at least one. */
  #list(call: RepHypercall, count: number): HvStatus {
    const hv = this.#hv;
    const data: CallData = this.#data;
    let status: HvStatus = call.begin(hv, data);
    if (status !== HvStatus.SUCCESS) return status;
    const end = Math.min(count, this.#done + this.#elementsMax);
    const elements = call.header + data.variableBytes;
    const { input, output } = call.element;
    while (this.#done < end) {
      status = call.each(hv, data, elements + this.#done * input, this.#done * output);
      if (status !== HvStatus.SUCCESS) break;
      hv.on.charge(ELEMENT_COST);
      this.#done++;
    }
    call.end?.(hv);
    this.#again = status === HvStatus.SUCCESS && this.#done < count;
    return status;
  }
}
