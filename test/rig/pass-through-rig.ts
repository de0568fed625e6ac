// The machine's test devices, physical APICs and the hypervisor's pass-through on each LP, without guests: what the tests of deferred EOIs stand on.
import { PassThrough, REVOKE_CYCLES } from '../../daemon/hypervisor/apic/pass-through.js';
import { DeviceLines } from '../../daemon/machine/device-lines.js';
import { PhysicalApic } from '../../daemon/machine/physical-apic.js';
import { LpBlock, lpBlockAt, MachineHeader, machineMemorySize } from '../../shared/layout/machine.js';
import { type Views, viewsOf } from '../../shared/layout/struct.js';

/** A line: its LP and vector there, trigger, and the VP and partition that it is for. */
export interface PassedLine {
  readonly lp: number;
  readonly vector: number;
  readonly level: 0 | 1;
  readonly slot: number;
  readonly vp: number;
}
export const GUEST_VECTOR = 0x80;

export class PassThroughRig {
  readonly wired: readonly PassedLine[];
  readonly machine: Views;
  readonly apic: PhysicalApic;
  readonly lines: DeviceLines;
  readonly hypervisors: readonly PassThrough[];
  readonly blocks: readonly LpBlock[];
  clock = 0;
  selective = false;
  readonly alive = new Set([0, 1]);
  /** LPs that have been told to look, and have not looked since. */
  readonly woken = new Set<number>();
  readonly injections: number[];

  /** `injected`: the guest is given the interrupt of a line. `Hypervisor`: the real one, or a mutant. `memory`: to use once more, of as many LPs. */
  constructor(
    lps: number,
    wired: readonly PassedLine[],
    injected: (line: number, lp: number) => void,
    Hypervisor: typeof PassThrough = PassThrough,
    memory = passThroughMemory(lps),
  ) {
    this.wired = wired;
    this.machine = memory;
    this.injections = wired.map(() => 0);
    this.machine.u8.fill(0);
    new MachineHeader(this.machine, 0).lpCount = lps;
    new MachineHeader(this.machine, 0).deviceLineCount = wired.length;
    this.blocks = Array.from({ length: lps }, (_, lp) => new LpBlock(this.machine, lpBlockAt(lp)));
    this.apic = new PhysicalApic(
      this.machine,
      (lp) => this.woken.add(lp),
      (lp, vector) => this.lines.endOfInterrupt(this.machine.u8[this.blocks[lp].lineOfVector + vector] - 1),
    );
    this.lines = new DeviceLines(this.machine, (lp, vector, level) => this.apic.send(lp, vector, level));
    for (const [index, { lp, vector, level, slot, vp }] of wired.entries()) {
      Object.assign(this.lines.lines[index], { used: 1, lp, vector, level, slot, vp, guestVector: GUEST_VECTOR + index });
      this.machine.u8[this.blocks[lp].lineOfVector + vector] = index + 1;
    }
    this.hypervisors = this.blocks.map(
      (_, lp) =>
        new Hypervisor(lp, this.machine, this.apic, this.lines, {
          inject: (slot, _vp, guestVector) => {
            if (!this.alive.has(slot)) return false;
            this.injections[guestVector - GUEST_VECTOR]++;
            injected(guestVector - GUEST_VECTOR, lp);
            return true;
          },
          isAlive: (slot) => this.alive.has(slot),
          endsSelectively: () => this.selective,
          clock: () => this.clock,
          patience: REVOKE_CYCLES,
          wake: (at) => this.apic.interrupt(at),
        }),
    );
  }

  /** Vectors in service at an LP, ascending. */
  inService(lp: number): number[] {
    return vectorsIn(this.machine, this.blocks[lp].physicalIsr);
  }
  requested(lp: number): number[] {
    return vectorsIn(this.machine, this.blocks[lp].physicalIrr);
  }
  deferred(lp: number): number[] {
    return vectorsIn(this.machine, this.blocks[lp].deferredEois);
  }
  /** The LP looks at what there is for it. */
  serve(lp: number): void {
    this.woken.delete(lp);
    this.hypervisors[lp].serve();
  }
  /** The guest's VP, which runs on `lp`, ends the line's vector. */
  finish(line: number, lp: number): void {
    const { slot, vp } = this.wired[line];
    this.hypervisors[lp].finished(slot, vp, GUEST_VECTOR + line);
  }
}

export const passThroughMemory = (lps: number): Views => viewsOf(new SharedArrayBuffer(machineMemorySize(lps)));

const vectorsIn = ({ i32 }: Views, at: number): number[] => {
  const found: number[] = [];
  for (let word = 0; word < 8; word++)
    for (let bits = i32[(at >>> 2) + word]; bits !== 0; bits &= bits - 1) found.push(word * 32 + 31 - Math.clz32(bits & -bits));
  return found;
};
