// What a guest must be answered at the Hyper-V interface, written down once more from the specification and without a look at how hvd does it: the statuses that a
// hypercall may end with (TLFS 3.5 to 3.9 and each call's own chapter), and for each register whether an access is #GP and what a read gives (appendix C, 7.8, 11.8, 12).
//
// Order of what is wrong with a call: code, privilege, control word, parameters in registers or memory, contents. Where a call's contents are wrong in several ways the
// specification leaves open which is said; so the answer is a set.
import type { HypervFeatureName } from '../../shared/hyperv/features.js';

export const Status = {
  SUCCESS: 0,
  INVALID_HYPERCALL_CODE: 2,
  INVALID_HYPERCALL_INPUT: 3,
  INVALID_ALIGNMENT: 4,
  INVALID_PARAMETER: 5,
  ACCESS_DENIED: 6,
  INVALID_PARTITION_ID: 0xd,
  INVALID_VP_INDEX: 0xe,
  INVALID_PORT_ID: 0x11,
  INVALID_CONNECTION_ID: 0x12,
  INSUFFICIENT_BUFFERS: 0x13,
  INVALID_VP_STATE: 0x15,
  INVALID_SYNIC_STATE: 0x18,
  INVALID_REGISTER_VALUE: 0x50,
} as const;

/** What the model knows of the machine: 4 KiB pages of RAM from 0 on, and a width of guest-physical addresses. */
export interface ModelledMachine {
  readonly vps: number;
  readonly ramPages: number;
  readonly addressBits: number;
  readonly ram: DataView;
  /** Connections of VP 0's partition by their numbers: what a message or an event by them meets. */
  readonly connections: Readonly<Record<number, 'message' | 'event' | 'nobody'>>;
  /** SINTs of the two ports, and how many flags the event port has. */
  readonly messageSint: number;
  readonly eventSint: number;
  readonly eventFlags: number;
}

/** Either #UD, or one of these statuses with so many elements done. */
export interface Answer {
  readonly ud: boolean;
  readonly statuses: ReadonlySet<number>;
  readonly reps: number;
}
const UD: Answer = { ud: true, statuses: new Set(), reps: 0 };
const answer = (reps: number, ...statuses: readonly number[]): Answer => ({ ud: false, statuses: new Set(statuses), reps });

export interface ModelledCall {
  readonly control: bigint;
  /** RDX and R8. */
  readonly input: bigint;
  readonly output: bigint;
  /** 96 bytes of XMM0 to XMM5. */
  readonly xmm: Uint8Array;
}

interface CallShape {
  readonly header: number;
  readonly variable?: boolean;
  /** Bytes of an element, of a rep call. */
  readonly rep?: { readonly input: number; readonly output: number };
  readonly allowed: (has: (name: HypervFeatureName) => boolean) => boolean;
  /** What its contents are answered with: statuses, and how many elements from the first of them on are good. */
  readonly contents: (model: HypervModel, block: DataView, variableBytes: number, range: { start: number; count: number }) => Contents;
}
interface Contents {
  readonly statuses: readonly number[];
  /** Elements done, of a rep call; all of them where there is none. */
  readonly done?: number | undefined;
}

const SELF = 0xffff_ffff_ffff_ffffn;
const bitsIn = (mask: bigint): number => mask.toString(2).replaceAll('0', '').length;
/** Statuses of what is wrong; success where nothing is. */
const verdict = (...wrong: readonly (readonly [boolean, number])[]): readonly number[] => {
  const statuses = wrong.filter(([is]) => is).map(([, status]) => status);
  return statuses.length > 0 ? statuses : [Status.SUCCESS];
};

const vpSet = (block: DataView, at: number, variableBytes: number): readonly (readonly [boolean, number])[] => {
  const format = block.getBigUint64(at, true);
  return [
    [format > 1n, Status.INVALID_PARAMETER],
    [format === 0n && bitsIn(block.getBigUint64(at + 8, true)) * 8 !== variableBytes, Status.INVALID_HYPERCALL_INPUT],
  ];
};
const flush =
  (set: boolean, list: boolean): CallShape['contents'] =>
  (_model, block, variableBytes, { start }) => {
    const flags = block.getBigUint64(8, true);
    const nobody = !set && block.getBigUint64(16, true) === 0n && (flags & 1n) === 0n;
    const statuses = verdict(
      [(flags & ~(list ? 3n : 7n)) !== 0n, Status.INVALID_PARAMETER],
      [nobody, Status.INVALID_PARAMETER],
      ...(set ? vpSet(block, 16, variableBytes) : []),
    );
    return { statuses, done: statuses.includes(Status.SUCCESS) ? undefined : start };
  };
const ipi =
  (set: boolean): CallShape['contents'] =>
  (_model, block, variableBytes) => {
    const vector = block.getUint32(0, true);
    return {
      statuses: verdict(
        [vector < 0x10 || vector > 0xff, Status.INVALID_PARAMETER],
        [(block.getUint8(4) & ~0x10) !== 0, Status.INVALID_PARAMETER],
        ...(set ? vpSet(block, 8, variableBytes) : []),
      ),
    };
  };
const mayFlush: CallShape['allowed'] = (has) => has('remote-flush') || has('local-flush');
const LIST = { input: 8, output: 0 };

const CALLS: Readonly<Record<number, CallShape>> = {
  1: {
    header: 8,
    allowed: (has) => has('switch-vas'),
    contents: ({ machine }, block) => ({
      statuses: verdict([block.getBigUint64(0, true) >> BigInt(machine.addressBits) !== 0n, Status.INVALID_PARAMETER]),
    }),
  },
  2: { header: 24, allowed: mayFlush, contents: flush(false, false) },
  3: { header: 24, rep: LIST, allowed: mayFlush, contents: flush(false, true) },
  8: { header: 8, allowed: () => true, contents: () => ({ statuses: [Status.SUCCESS] }) },
  11: { header: 16, allowed: (has) => has('cluster-ipi'), contents: ipi(false) },
  19: { header: 32, variable: true, allowed: (has) => mayFlush(has) && has('ex-processor-masks'), contents: flush(true, false) },
  20: { header: 32, variable: true, rep: LIST, allowed: (has) => mayFlush(has) && has('ex-processor-masks'), contents: flush(true, true) },
  21: { header: 24, variable: true, allowed: (has) => has('cluster-ipi') && has('ex-processor-masks'), contents: ipi(true) },
  92: { header: 256, allowed: (has) => has('post-messages'), contents: (model, block) => ({ statuses: model.post(block) }) },
  93: { header: 8, allowed: (has) => has('signal-events'), contents: (model, block) => ({ statuses: model.signal(block) }) },
  153: {
    header: 240,
    allowed: (has) => has('start-vp'),
    contents: ({ machine }, block) => {
      const vp = block.getUint32(8, true);
      const self = vp === 0xffff_fffe;
      const wrong = verdict(
        [block.getBigUint64(0, true) !== SELF, Status.INVALID_PARTITION_ID],
        [!self && vp >= machine.vps, Status.INVALID_VP_INDEX],
        [block.getUint8(12) !== 0, Status.INVALID_PARAMETER],
        [self || vp === 0, Status.INVALID_VP_STATE],
      );
      // Registers that cannot be are told from those that can elsewhere (test/unit/hyperv-hypercall).
      return { statuses: wrong.includes(Status.INVALID_PARTITION_ID) ? wrong : [...wrong, Status.INVALID_REGISTER_VALUE] };
    },
  },
  154: {
    header: 16,
    rep: { input: 8, output: 8 },
    allowed: (has) => has('start-vp'),
    contents: ({ machine }, block, _variableBytes, { start, count }) => {
      const wrong = verdict(
        [block.getBigUint64(0, true) !== SELF, Status.INVALID_PARTITION_ID],
        [block.getUint8(8) !== 0, Status.INVALID_PARAMETER],
      );
      if (!wrong.includes(Status.SUCCESS)) return { statuses: wrong, done: start };
      // The APIC ID of VP n is n.
      for (let element = start; element < count; element++)
        if (block.getUint32(16 + element * 8, true) >= machine.vps) return { statuses: [Status.INVALID_PARAMETER], done: element };
      return { statuses: [Status.SUCCESS] };
    },
  },
};

/** #GP, or the value; undefined: some value. */
type ReadRule = 'gp' | bigint | undefined;
const FIXED_CRASH_CTL = 3n << 62n;

export class HypervModel {
  readonly machine: ModelledMachine;
  readonly #features: ReadonlySet<HypervFeatureName>;
  readonly #registers = new Map<number, bigint>();
  #time = 0n;

  constructor(features: ReadonlySet<HypervFeatureName>, machine: ModelledMachine) {
    this.#features = features;
    this.machine = machine;
  }

  has(name: HypervFeatureName): boolean {
    return this.#features.has(name);
  }
  #value(msr: number): bigint {
    return this.#registers.get(msr) ?? (isSint(msr) ? 0x1_0000n : 0n);
  }
  #isOn(msr: number): boolean {
    return (this.#value(msr) & 1n) !== 0n;
  }

  // --- hypercalls ---------------------------------------------------------------------------------------------------------------------------

  call({ control, input, output, xmm }: ModelledCall): Answer {
    if (!this.#isOn(0x4000_0001)) return UD;
    const call = CALLS[Number(control & 0xffffn)];
    if (call === undefined) return answer(0, Status.INVALID_HYPERCALL_CODE);
    if (!call.allowed((name) => this.has(name))) return answer(0, Status.ACCESS_DENIED);
    const count = Number((control >> 32n) & 0xfffn);
    const start = Number((control >> 48n) & 0xfffn);
    const variableBytes = Number((control >> 17n) & 0x3ffn) * 8;
    const badControl =
      (control & 0xf000_f000_f800_0000n) !== 0n ||
      (variableBytes > 0 && call.variable !== true) ||
      (call.rep === undefined ? count > 0 || start > 0 : start >= count);
    if (badControl) return answer(0, Status.INVALID_HYPERCALL_INPUT);
    const reps = call.rep === undefined ? 0 : start;
    const bytes = call.header + variableBytes + (call.rep?.input ?? 0) * count;
    const outputBytes = (call.rep?.output ?? 0) * count;
    const contents = (block: DataView): Answer => {
      const { statuses, done } = call.contents(this, block, variableBytes, { start, count });
      return answer(call.rep === undefined ? 0 : (done ?? count), ...statuses);
    };
    if ((control & 0x1_0000n) !== 0n) {
      const outputAt = Math.ceil(bytes / 16) * 16;
      if (bytes > 112 || (outputBytes > 0 && outputAt + outputBytes > 112)) return answer(reps, Status.INVALID_HYPERCALL_INPUT);
      if ((bytes > 16 && !this.has('xmm-input')) || (outputBytes > 0 && !this.has('xmm-output'))) return UD;
      const block = new DataView(new ArrayBuffer(112));
      block.setBigUint64(0, input, true);
      block.setBigUint64(8, output, true);
      new Uint8Array(block.buffer).set(xmm, 16);
      return contents(block);
    }
    const where = this.#placeOf(input, bytes, false);
    const outputWhere = outputBytes === 0 ? 'ram' : this.#placeOf(output, outputBytes, true);
    if (where === 'nowhere' || outputWhere === 'nowhere') return answer(reps, Status.INVALID_ALIGNMENT);
    if (outputBytes > 0 && input < output + BigInt(outputBytes) && output < input + BigInt(bytes))
      return answer(reps, Status.INVALID_PARAMETER);
    // What overlay pages hold is not modelled, nor which of several is seen.
    if (where === 'overlay' || outputWhere === 'overlay') return answer(-1, ...Object.values(Status));
    const block = new DataView(new ArrayBuffer(4096));
    const from = this.machine.ram.byteOffset + Number(input);
    new Uint8Array(block.buffer).set(new Uint8Array(this.machine.ram.buffer, from, bytes));
    return contents(block);
  }

  /** Lists are eight-byte aligned, within a page, where there is something. */
  #placeOf(gpa: bigint, bytes: number, write: boolean): 'ram' | 'overlay' | 'nowhere' {
    if ((gpa & 7n) !== 0n || Number(gpa & 4095n) + bytes > 4096) return 'nowhere';
    const at = (msr: number): boolean => this.#isOn(msr) && this.#value(msr) >> 12n === gpa >> 12n;
    const readOnly = at(0x4000_0001) || at(0x4000_0021);
    const writable = at(0x4000_0073) || at(0x4000_0082) || at(0x4000_0083);
    // The partition's pages are seen before those of VPs.
    if (readOnly && write) return 'nowhere';
    if (readOnly || writable) return 'overlay';
    return gpa >> 12n < BigInt(this.machine.ramPages) ? 'ram' : 'nowhere';
  }

  #takes(page: number): boolean {
    return this.#isOn(0x4000_0080) && this.#isOn(page);
  }

  post(block: DataView): readonly number[] {
    const { connections } = this.machine;
    const connection = block.getUint32(0, true);
    const type = block.getUint32(8, true);
    const target = connections[connection];
    const isBus = this.has('synic') && target === undefined && (connection === 1 || connection === 4);
    const wrong = verdict(
      [block.getUint32(4, true) !== 0, Status.INVALID_HYPERCALL_INPUT],
      [type === 0 || type >= 0x8000_0000, Status.INVALID_PARAMETER],
      [block.getUint32(12, true) > 240, Status.INVALID_PARAMETER],
      [target === 'nobody' || (target === undefined && !isBus), Status.INVALID_CONNECTION_ID],
      [target === 'event', Status.INVALID_PORT_ID],
      [target === 'message' && !this.#takes(0x4000_0083), Status.INVALID_SYNIC_STATE],
    );
    // How many wait is not modelled.
    return target === 'message' && wrong.includes(Status.SUCCESS) ? [...wrong, Status.INSUFFICIENT_BUFFERS] : wrong;
  }
  signal(block: DataView): readonly number[] {
    const { connections, eventFlags, eventSint } = this.machine;
    const target = connections[block.getUint32(0, true)];
    const isMasked = (this.#value(0x4000_0090 + eventSint) & 0x1_0000n) !== 0n;
    return verdict(
      [block.getUint16(6, true) !== 0, Status.INVALID_HYPERCALL_INPUT],
      [target === undefined || target === 'nobody', Status.INVALID_CONNECTION_ID],
      [target === 'message', Status.INVALID_PORT_ID],
      [target === 'event' && block.getUint16(4, true) >= eventFlags, Status.INVALID_PARAMETER],
      [target === 'event' && (isMasked || !this.#takes(0x4000_0082)), Status.INVALID_SYNIC_STATE],
    );
  }

  // --- registers ----------------------------------------------------------------------------------------------------------------------------

  #isThere(msr: number): boolean {
    return REGISTERS.some(([first, last, feature]) => msr >= first && msr <= last && this.has(feature));
  }

  /** What RDMSR by VP 0 is answered. */
  read(msr: number): ReadRule {
    if (!this.#isThere(msr)) return 'gp';
    switch (msr) {
      case 0x4000_0002:
      case 0x4000_0003:
      case 0x4000_0084:
      case 0x4000_00f0:
        return 0n;
      case 0x4000_0070:
        return 'gp';
      case 0x4000_0081:
        return 1n;
      case 0x4000_0105:
        return FIXED_CRASH_CTL;
      case 0x4000_0010:
      case 0x4000_0020:
      case 0x4000_0022:
      case 0x4000_0023:
      case 0x4000_0071:
        return undefined;
      default:
        return isTimer(msr) ? undefined : this.#value(msr);
    }
  }
  /** A value that was read where the rule left it open. False: it cannot be. */
  wasRead(msr: number, value: bigint): boolean {
    if (msr !== 0x4000_0020) return true;
    const isLater = value >= this.#time;
    this.#time = value;
    return isLater;
  }

  /** Whether WRMSR by VP 0 passes; then it has. */
  write(msr: number, value: bigint): boolean {
    if (!this.#isThere(msr) || READ_ONLY.has(msr)) return false;
    const beyond = (value & 1n) !== 0n && value >> BigInt(this.machine.addressBits) !== 0n;
    if (PAGES.has(msr) && beyond) return false;
    const isLocked = this.has('hypercall-lock') && (this.#value(0x4000_0001) & 2n) !== 0n;
    switch (msr) {
      case 0x4000_0000:
        if (value === 0n && !isLocked) this.#registers.set(0x4000_0001, this.#value(0x4000_0001) & ~1n);
        break;
      case 0x4000_0001:
        if (isLocked) return false;
        if (this.#value(0x4000_0000) === 0n) return true;
        break;
      case 0x4000_0070:
        return value >> 32n === 0n;
      case 0x4000_0072:
        if (value > 0xffn) return false;
        break;
      case 0x4000_0118:
        if (value > 1n) return false;
        break;
      default:
        if (isSint(msr) && (value & 0x1_0000n) === 0n && (value & 0xffn) < 16n) return false;
    }
    this.#registers.set(msr, value);
    return true;
  }
}

const isSint = (msr: number): boolean => msr >= 0x4000_0090 && msr <= 0x4000_009f;
const isTimer = (msr: number): boolean => msr >= 0x4000_00b0 && msr <= 0x4000_00b7;
const PAGES = new Set([0x4000_0001, 0x4000_0021, 0x4000_0073, 0x4000_0082, 0x4000_0083]);
const READ_ONLY = new Set([0x4000_0002, 0x4000_0010, 0x4000_0020, 0x4000_0022, 0x4000_0023, 0x4000_0081, 0x4000_00f0]);
/** First and last register of a group, and what it comes with. */
const REGISTERS: readonly (readonly [number, number, HypervFeatureName])[] = [
  [0x4000_0000, 0x4000_0001, 'hypercall-msrs'],
  [0x4000_0002, 0x4000_0002, 'vp-index'],
  [0x4000_0003, 0x4000_0003, 'reset'],
  [0x4000_0010, 0x4000_0010, 'vp-runtime'],
  [0x4000_0020, 0x4000_0020, 'time-ref-count'],
  [0x4000_0021, 0x4000_0021, 'ref-tsc'],
  [0x4000_0022, 0x4000_0023, 'frequency-msrs'],
  [0x4000_0070, 0x4000_0073, 'apic-msrs'],
  [0x4000_0080, 0x4000_0084, 'synic'],
  [0x4000_0090, 0x4000_009f, 'synic'],
  [0x4000_00b0, 0x4000_00b7, 'synthetic-timers'],
  [0x4000_00f0, 0x4000_00f0, 'guest-idle'],
  [0x4000_0100, 0x4000_0105, 'crash-msrs'],
  [0x4000_0118, 0x4000_0118, 'tsc-invariant'],
];
