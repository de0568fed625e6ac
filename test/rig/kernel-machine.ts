// A whole partition on one LP, or on several that take turns, in this process: real intercepts, vTLB, APIC, platform; a kernel's tables in its RAM, and short programs that end in HLT.
// For tests of what processor and hypervisor do together. Every IDT gate leads to a HLT of its own, so that the exception that came can be told.
import { Guest } from '../../daemon/hypervisor/guest.js';
import { WorldSwitch } from '../../daemon/hypervisor/world/world-switch.js';
import { SharedWords } from '../../daemon/machine/shared-words.js';
import { WatchedCode } from '../../daemon/machine/watched-code.js';
import { writeProcessor } from '../../shared/cpu/partition-processor.js';
import { parseProcessor } from '../../shared/cpu/processor-choice.js';
import { parseHyperv } from '../../shared/hyperv/hyperv-choice.js';
import { overlayBytesOf, writeHyperv } from '../../shared/hyperv/partition-hyperv.js';
import { type VpWord, writeVpWord } from '../../shared/layout/critical-ranges.js';
import { createHostMemory } from '../../shared/layout/host-memory.js';
import { LpBlock, lpBlockAt, MachineLayout, machineMemorySize } from '../../shared/layout/machine.js';
import type { Observe } from '../../shared/layout/observation.js';
import { PARTITION_MAGIC, PartitionHeader, PartitionMap, PartitionState, vpBlockAt } from '../../shared/layout/partition.js';
import { type Views, viewsOf } from '../../shared/layout/struct.js';
import { Slot, VpBlock, VpState } from '../../shared/layout/vp.js';
import { powerUpVp } from '../../shared/layout/vp-reset.js';
import { findPolicy, settingOf } from '../../shared/protocol/policies.js';
import { TEST_HOT_RUNS } from './hot-runs.js';
import { NO_DEVICES } from './no-devices.js';

/** Guest physical and linear addresses: the first 2 MiB are mapped one to one, by 4 KiB pages. */
export const Kernel = {
  PML4: 0x1000,
  PAGE_TABLE: 0x4000,
  GDT: 0x8000,
  IDT: 0x9000,
  TSS: 0xa000,
  HANDLERS: 0xb000,
  STACK_TOP: 0xd000,
  CODE: 0x1_0000,
  DATA: 0x2_0000,
  USER_CODE: 0x3_0000,
  USER_DATA: 0x3_1000,
  USER_STACK_TOP: 0x3_3000,
} as const;
const RAM = 4 << 20;
const USER_FIRST = 0x3_0000;
const USER_END = 0x4_0000;
const CODE64 = 0x08;
const DATA = 0x10;
const USER_DATA = 0x1b;
const USER_CODE64 = 0x23;
const TSS = 0x28;
const WITH_ERROR = new Set([8, 10, 11, 12, 13, 14, 17]);

/** Where the program stopped: -1 for its own HLT, else the vector, with what was pushed. */
export interface Stop {
  readonly vector: number;
  readonly error: number;
  readonly rip: number;
  readonly flags: number;
  readonly registers: readonly bigint[];
}

export interface RunOptions {
  readonly level?: 0 | 3;
  readonly registers?: Readonly<Record<number, bigint | number>>;
  readonly flags?: number;
  readonly cr4?: number;
  readonly cr0?: number;
  readonly dr?: Readonly<Record<number, number>>;
  readonly entry?: number;
  /** Base of an LDT of 256 bytes. */
  readonly ldt?: number;
}

/** Charges of configs/costs.yaml by name, and what root would want to know. */
export interface Surroundings {
  readonly costs?: Readonly<Record<string, number>>;
  readonly observe?: Observe | undefined;
  /** The Hyper-V interface, as files have it. */
  readonly hv?: string;
  /** The devices that test images look for. */
  readonly testDevices?: boolean;
  /** Another LP is told that it has work. */
  readonly signal?: (lp: number) => void;
  /** The LP has a way into legacy super-mode. */
  readonly worlds?: boolean;
  /** The partition is another one on the LP of this one, in the next slot. */
  readonly beside?: KernelMachine;
  /** By which VPs show that they are in critical sections. */
  readonly criticalWord?: VpWord;
  /** LPs that have its VPs, dealt out in turn. Only `guests` runs those of other LPs than the first. */
  readonly lps?: number;
}

export class KernelMachine {
  readonly memory: WebAssembly.Memory;
  /** The machine's memory: counters of the LP. */
  readonly machine: Views;
  readonly views: Views;
  readonly vps: readonly VpBlock[];
  /** VP 0. */
  readonly vp: VpBlock;
  /** The partition on each LP; `guest`: on the first. */
  readonly guests: readonly Guest[];
  readonly guest: Guest;
  readonly lp: LpBlock;
  readonly header: PartitionHeader;
  readonly world: WorldSwitch | undefined;
  #clock = 0;

  constructor(
    tiers: 'cold' | 'hot' | 'both',
    cpu = 'max',
    vps = 1,
    {
      costs = {},
      observe,
      hv = 'off',
      testDevices = false,
      signal = () => undefined,
      worlds = false,
      beside,
      criticalWord,
      lps = 1,
    }: Surroundings = {},
  ) {
    const hyperv = parseHyperv(hv);
    const pages = (PartitionMap.RAM + RAM + overlayBytesOf(hyperv, vps)) / 65536;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    this.memory = memory;
    this.views = viewsOf(memory.buffer);
    this.machine = beside?.machine ?? viewsOf(new SharedArrayBuffer(machineMemorySize(lps)));
    this.header = new PartitionHeader(this.views, PartitionMap.HEADER);
    Object.assign(this.header, {
      magic: PARTITION_MAGIC,
      vpCount: vps,
      lpCount: lps,
      nodeCount: 1,
      ramSize: RAM,
      testDevices: testDevices ? 1 : 0,
      state: PartitionState.RUNNING,
    });
    this.policy('spin.detect', findPolicy('spin.detect').default);
    writeProcessor(this.views, parseProcessor(cpu));
    writeHyperv(this.views, hyperv);
    if (criticalWord !== undefined) writeVpWord(this.views, criticalWord);
    this.vps = Array.from({ length: vps }, (_, index) => {
      const vp = new VpBlock(this.views, vpBlockAt(index));
      powerUpVp(vp, index);
      vp.lp = vp.homeLp = index % lps;
      return vp;
    });
    [this.vp] = this.vps;
    this.#tables();
    this.lp = new LpBlock(this.machine, lpBlockAt(0));
    const world =
      beside !== undefined
        ? beside.world
        : worlds
          ? new WorldSwitch({
              memory: createHostMemory(1),
              machine: this.machine,
              lp: 0,
              costs,
              processor: { tiers, hotRuns: TEST_HOT_RUNS },
              interrupts: { isRequested: () => false, acknowledge: () => -1, handle: () => undefined },
            })
          : undefined;
    this.world = world;
    const wiring = {
      world,
      machine: this.machine,
      slot: beside === undefined ? 0 : 1,
      memory,
      name: 'kernel',
      frequencyHz: 1_000_000_000,
      realtime: false,
      hostCycles: () => 0,
      isWanted: () => false,
      costs,
      tiers,
      hotRuns: TEST_HOT_RUNS,
      devices: NO_DEVICES,
      withPartner: () => undefined,
      observe,
      signal,
      event: () => undefined,
    };
    this.guests = Array.from({ length: lps }, (_, lp) => new Guest({ ...wiring, lp }));
    [this.guest] = this.guests;
  }

  /** The LP's, in cycles. */
  get clock(): number {
    return this.#clock;
  }
  /** Sets a policy of the machine, whose policies all have their first value but for spin.detect. */
  policy(name: string, value: string): void {
    const policy = findPolicy(name);
    this.machine.i32[(MachineLayout.at.policies >>> 2) + policy.word] = settingOf(policy, value);
  }
  /** Address in the views of a guest physical one. */
  host(gpa: number): number {
    return PartitionMap.RAM + gpa;
  }
  /** The page-table entry of a linear address below 2 MiB. Whoever changes one that was used says INVLPG. */
  set pte(change: { readonly page: number; readonly value: bigint }) {
    this.views.u64[this.host(Kernel.PAGE_TABLE + (change.page >>> 12) * 8) >>> 3] = change.value;
  }
  /** An interrupt gate for level 0 code at the address. */
  gate(vector: number, handler: number): void {
    const at = this.host(Kernel.IDT + vector * 16) >>> 3;
    const access = vector === 3 || vector === 4 || vector === 0x80 ? 0xeen : 0x8en;
    this.views.u64[at] = (BigInt(handler) & 0xffffn) | (BigInt(CODE64) << 16n) | (access << 40n);
    this.views.u64[at + 1] = 0n;
  }
  slot(slot: number): bigint {
    return this.views.u64[(this.vp.base >>> 3) + slot];
  }
  dr(number: number): number {
    return this.views.u32[(this.vp.dr >>> 2) + number * 2];
  }

  #tables(): void {
    const { u8, u64, data } = this.views;
    const put = (gpa: number, value: bigint): void => {
      u64[this.host(gpa) >>> 3] = value;
    };
    put(Kernel.PML4, 0x2007n);
    put(0x2000, 0x3007n);
    put(0x3000, BigInt(Kernel.PAGE_TABLE) | 7n);
    for (let page = 0; page < 0x20_0000; page += 4096)
      this.pte = { page, value: BigInt(page) | (page >= USER_FIRST && page < USER_END ? 7n : 3n) };
    for (const [i, entry] of [
      0n,
      0x00af_9b00_0000_ffffn,
      0x00cf_9300_0000_ffffn,
      0x00cf_f300_0000_ffffn,
      0x00af_fb00_0000_ffffn,
      0x0000_8b00_0000_0067n | (BigInt(Kernel.TSS) << 16n),
      0n,
    ].entries())
      put(Kernel.GDT + i * 8, entry);
    for (let vector = 0; vector < 256; vector++) this.gate(vector, Kernel.HANDLERS + vector);
    u8.fill(0xf4, this.host(Kernel.HANDLERS), this.host(Kernel.HANDLERS) + 256);
    data.setBigUint64(this.host(Kernel.TSS) + 4, BigInt(Kernel.STACK_TOP), true);
  }

  /** Writes a program's bytes; HLT follows. */
  load(code: string, at: number = Kernel.CODE): void {
    const bytes = (code.match(/[0-9a-f]{2}/gi) ?? []).map((pair) => Number.parseInt(pair, 16));
    this.views.u8.set([...bytes, 0xf4], this.host(at));
    // As after a store by another processor.
    new WatchedCode(new SharedWords(this.views)).invalidate(at >>> 12, at & 4095, bytes.length + 1);
  }

  /** Runs VP 0 from the entry until HLT, in 64-bit code at the level. */
  run(options: RunOptions = {}): Stop {
    this.prepare(0, options);
    this.go();
    const { vp } = this;
    if (vp.state !== VpState.HALTED)
      throw new Error(`the program did not end: VP state ${vp.state}, RIP ${this.slot(Slot.RIP).toString(16)}`);
    return this.#stop();
  }
  /** As `run`. False: the VP has ended for good. */
  survives(options: RunOptions): boolean {
    this.prepare(0, options);
    this.go();
    return this.vp.state === VpState.HALTED;
  }
  /** Runs the VPs in turn until none can go on; `timers`: nor is any device's timer to come. */
  go(timers = false): void {
    const { guest, vps, header } = this;
    for (let round = 0; round < 1000 && header.state === PartitionState.RUNNING; round++) {
      let ran = false;
      for (const { index } of vps) {
        if (!guest.runnable(index)) continue;
        ran = true;
        this.#clock += guest.run(index, this.#clock, 10_000);
      }
      if (ran) continue;
      const due = guest.deadline();
      if (!timers || due === Number.POSITIVE_INFINITY) return;
      this.#clock = Math.max(this.#clock, due);
      guest.advance(this.#clock);
    }
  }
  /** Puts a VP at its entry. */
  prepare(index: number, options: RunOptions = {}): void {
    const { views } = this;
    const vp = this.vps[index];
    const level = options.level ?? 0;
    const user = level === 3;
    const slots = vp.base >>> 3;
    const dpl = level << 5;
    Object.assign(vp, {
      cr0: options.cr0 ?? 0x8001_0033,
      cr4: 0x620 | (options.cr4 ?? 0),
      cr3: BigInt(Kernel.PML4),
      efer: 0xd01,
      cpl: level,
      csSelector: user ? USER_CODE64 : CODE64,
      csAccess: 0xa09b | dpl,
      csLimit: 0xffff_ffff,
      gdtrBase: BigInt(Kernel.GDT),
      gdtrLimit: 0x37,
      idtrBase: BigInt(Kernel.IDT),
      idtrLimit: 0xfff,
      trSelector: TSS,
      trBase: BigInt(Kernel.TSS),
      trLimit: 0x67,
      trAccess: 0x8b,
      ldtrAccess: options.ldt === undefined ? 0x1_0000 : 0x82,
      ldtrBase: BigInt(options.ldt ?? 0),
      ldtrLimit: 0xff,
      interruptShadow: 0,
      state: VpState.READY,
    });
    for (const s of ['ss', 'ds', 'es', 'fs', 'gs'] as const) {
      vp[`${s}Selector`] = user ? USER_DATA : DATA;
      vp[`${s}Access`] = 0xc093 | dpl;
      vp[`${s}Limit`] = 0xffff_ffff;
    }
    for (let i = 0; i < 6; i++) views.u64[slots + Slot.ES_BASE + i] = 0n;
    for (let i = 0; i < 16; i++) views.u64[slots + i] = BigInt.asUintN(64, BigInt(options.registers?.[i] ?? 0));
    if (options.registers?.[Slot.RSP] === undefined)
      views.u64[slots + Slot.RSP] = BigInt(user ? Kernel.USER_STACK_TOP : Kernel.STACK_TOP - 0x800);
    views.u64[slots + Slot.RIP] = BigInt(options.entry ?? (user ? Kernel.USER_CODE : Kernel.CODE));
    views.u64[slots + Slot.FLAG_RESULT] = 1n;
    views.u64[slots + Slot.FLAG_AUX] = 0n;
    views.u64[slots + Slot.FLAG_SYSTEM] = BigInt((options.flags ?? 0) | 2);
    views.u64.fill(0n, vp.dr >>> 3, (vp.dr >>> 3) + 8);
    views.u32[(vp.dr >>> 2) + 12] = 0xffff_0ff0;
    views.u32[(vp.dr >>> 2) + 14] = 0x400;
    for (const [number, value] of Object.entries(options.dr ?? {})) views.u32[(vp.dr >>> 2) + Number(number) * 2] = value >>> 0;
  }

  #stop(): Stop {
    const { views } = this;
    const rip = Number(this.slot(Slot.RIP)) - 1;
    const registers = Array.from({ length: 16 }, (_, i) => this.slot(i));
    const vector = rip - Kernel.HANDLERS;
    if (vector < 0 || vector >= 256) return { vector: -1, error: 0, rip, flags: 0, registers };
    let at = this.host(Number(this.slot(Slot.RSP)));
    const pop = (): number => {
      const value = Number(BigInt.asIntN(64, views.data.getBigUint64(at, true)));
      at += 8;
      return value;
    };
    const error = WITH_ERROR.has(vector) ? pop() : 0;
    const from = pop();
    pop();
    return { vector, error, rip: from, flags: pop(), registers };
  }
}
