// The memory of a partition and typed views of it. Dropping the body drops the partition: nothing else in root holds on to its memory.
import {
  ExitCause,
  PARTITION_STATE_NAMES,
  PartitionHeader,
  PartitionLayout,
  PartitionMap,
  PartitionState,
  vpBlockAt,
} from '../../shared/layout/partition.js';
import { type Views, viewsOf } from '../../shared/layout/struct.js';
import { VpBlock } from '../../shared/layout/vp.js';
import { HvdError, reasonOf } from '../../shared/protocol/errors.js';
import { readText, writeText } from './text-field.js';

const WASM_PAGE = 65536;
const STATE_INDEX = (PartitionMap.HEADER + PartitionLayout.at.state) >>> 2;
const REASON_BYTES = PartitionLayout.fields.reason.bytes;

export class PartitionBody {
  readonly memory: WebAssembly.Memory;
  readonly views: Views;
  readonly header: PartitionHeader;
  readonly vps: readonly VpBlock[];

  /** `moreBytes`: behind guest RAM: overlay pages (shared/layout/hyperv), buffers of devices (shared/devices). */
  constructor(name: string, ramBytes: number, vps: number, moreBytes: number) {
    this.memory = allocate(name, ramBytes + moreBytes);
    this.views = viewsOf(this.memory.buffer);
    this.header = new PartitionHeader(this.views, PartitionMap.HEADER);
    this.vps = Array.from({ length: vps }, (_, index) => new VpBlock(this.views, vpBlockAt(index)));
  }

  /** PartitionState. */
  get state(): number {
    return Atomics.load(this.views.i32, STATE_INDEX);
  }

  get stateName(): string {
    return PARTITION_STATE_NAMES[this.state] ?? 'unknown';
  }

  /** Changes the state when it is still `from`: an LP may have found a crash meanwhile, which root must not overwrite. */
  changeState(from: number, to: number): boolean {
    return Atomics.compareExchange(this.views.i32, STATE_INDEX, from, to) === from;
  }

  /** Stops the partition for good unless it has stopped by itself. */
  crash(cause: number, reason: string): boolean {
    const before = this.state;
    if (before === PartitionState.CRASHED || before === PartitionState.STOPPED || before === PartitionState.POWERED_OFF) return false;
    this.header.exitCause = cause;
    this.reason = reason;
    return this.changeState(before, PartitionState.CRASHED) || this.crash(cause, reason);
  }

  set reason(text: string) {
    writeText(this.views, this.header.reason, REASON_BYTES, text);
  }

  /** Why the partition is not running, for people; null while there is nothing to explain. */
  get reason(): string | null {
    const text = readText(this.views, this.header.reason, REASON_BYTES);
    return text === '' ? causeText(this.state, this.header.exitCause, this.header.exitDetail) : text;
  }
}

const causeText = (state: number, cause: number, detail: number): string | null => {
  if (state === PartitionState.CREATED || state === PartitionState.RUNNING || state === PartitionState.PAUSED) return null;
  switch (cause) {
    case ExitCause.POWER_OFF:
      return 'the guest powered off';
    case ExitCause.DEBUG_EXIT:
      return `the guest wrote ${detail} to the debug-exit port`;
    case ExitCause.TRIPLE_FAULT:
      return `triple fault on VP ${detail}`;
    case ExitCause.MACHINE_CHECK:
      return 'machine check';
    case ExitCause.STOPPED:
      return 'stopped by the operator';
    case ExitCause.BROKEN_INVARIANT:
      return 'broken invariant of the hypervisor';
    case ExitCause.RESET:
      return 'the guest asked for a reset';
    case ExitCause.TEXT_SEEN:
      return 'the guest said the text that was waited for';
    case ExitCause.TIME_UP:
      return 'its time was up';
    default:
      return null;
  }
};

const allocate = (name: string, ramBytes: number): WebAssembly.Memory => {
  const pages = (PartitionMap.RAM + ramBytes) / WASM_PAGE;
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  } catch (error) {
    throw new HvdError('vm.memory', { name, bytes: ramBytes, why: reasonOf(error) }, error);
  }
};
