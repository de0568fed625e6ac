// The machine's test devices as root has them: wired when the machine is built, attached to partitions as these come, told to raise their lines.
// Root never acts on a line itself: it leaves a request for the line's LP, for which it is one more thing in its turn.
import { DeviceLine, DeviceLineLayout, DeviceRequest, LineState } from '../../shared/layout/device-line.js';
import { deviceLineAt } from '../../shared/layout/machine.js';
import type { VpBlock } from '../../shared/layout/vp.js';
import { HvdError } from '../../shared/protocol/errors.js';
import type { DeviceConfig, DeviceInfo } from '../../shared/protocol/messages.js';
import type { LpSignals } from './lp-signals.js';
import type { MachineMemory } from './machine-memory.js';

const NOBODY = -1;

export class Devices {
  readonly #configs: readonly DeviceConfig[];
  readonly #lines: readonly DeviceLine[];
  readonly #signals: LpSignals;

  /** Before any LP runs. */
  constructor(memory: MachineMemory, signals: LpSignals, configs: readonly DeviceConfig[]) {
    this.#configs = configs;
    this.#signals = signals;
    memory.header.deviceLineCount = configs.length;
    this.#lines = configs.map((config, index) => {
      const line = new DeviceLine(memory.views, deviceLineAt(index, memory.header.lpCount));
      line.used = 1;
      line.level = config.trigger === 'level' ? 1 : 0;
      line.lp = config.lp;
      line.vector = config.vector;
      line.vp = config.vp;
      line.guestVector = config.guestVector;
      line.period = config.period ?? 0;
      line.slot = NOBODY;
      line.state = LineState.MASKED;
      memory.views.u8[memory.lps[config.lp]!.lineOfVector + config.vector] = index + 1;
      return line;
    });
  }

  /** The partition of that name is there, known to every LP and not started. */
  attach(partition: string, slot: number, vps: readonly VpBlock[]): void {
    for (const [index, config] of this.#configs.entries()) {
      const vp = vps[config.vp];
      if (config.partition !== partition || vp === undefined) continue;
      for (const set of [vp.passedThrough, vp.endWatched])
        Atomics.or(vp.views.i32, (set >>> 2) + (config.guestVector >>> 5), 1 << (config.guestVector & 31));
      this.#lines[index]!.slot = slot;
      this.#ask(index, DeviceRequest.OPEN);
    }
  }

  /** No LP knows the partition any more: what had that slot is not for the next one that gets it. */
  detach(slot: number): void {
    for (const line of this.#lines) if (line.slot === slot) line.slot = NOBODY;
  }

  raise(name: string): void {
    this.#ask(this.#indexOf(name), DeviceRequest.RAISE);
  }
  lower(name: string): void {
    this.#ask(this.#indexOf(name), DeviceRequest.LOWER);
  }
  setPeriod(name: string, cycles: number): void {
    const index = this.#indexOf(name);
    const line = this.#lines[index]!;
    Atomics.store(line.views.u32, (line.base + DeviceLineLayout.at.period) >>> 2, cycles);
    this.#signals.ring(line.lp);
  }

  list(): DeviceInfo[] {
    return this.#lines.map((line, index) => ({
      ...this.#configs[index]!,
      period: line.period,
      asserted: (line.state & LineState.ASSERTED) !== 0,
      masked: (line.state & LineState.MASKED) !== 0,
      serving: line.serving !== 0,
      raised: line.raised,
      taken: line.taken,
      finished: line.finished,
      ended: line.ended,
      servedCycles: line.servedCyclesNum,
      deferredCycles: line.deferredCyclesNum,
    }));
  }

  #ask(index: number, request: number): void {
    const line = this.#lines[index]!;
    Atomics.or(line.views.i32, (line.base + DeviceLineLayout.at.requests) >>> 2, request);
    this.#signals.ring(line.lp);
  }

  #indexOf(name: string): number {
    const index = this.#configs.findIndex((config) => config.name === name);
    if (index < 0) throw new HvdError('device.unknown', { name });
    return index;
  }
}
