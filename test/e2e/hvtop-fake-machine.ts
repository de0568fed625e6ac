// A machine that only pretends: samples and events of the right shape that move as a real one's would, from a seed.
// Why: hvtop is tested alone, with any number of LPs, at a known load, and without waiting for guests.
import { INTERCEPTS } from '../../shared/layout/machine.js';
import type {
  Events,
  InterruptLog,
  InterruptsInspect,
  LpStats,
  MachineStats,
  PartitionInspect,
  PartitionStats,
  VtlbInspect,
} from '../../shared/protocol/messages.js';
import { POLICIES } from '../../shared/protocol/policies.js';

const FREQUENCY_HZ = 1_000_000_000;
const SLICE_MS = 20;
const CYCLES_PER_MS = FREQUENCY_HZ / 1000 / 2;

interface Vp {
  readonly partition: PartitionStats;
  readonly stats: PartitionStats['vps'][number] & { state: string; lp: number | null };
}

export class FakeMachine {
  readonly stats: MachineStats;
  /** How fast its guests are. */
  speed = 1;
  /** What it has to say of itself. */
  readonly log = [
    { at: 1_700_000_000_000, level: 'info', text: 'partition created name=alpha vps=4' },
    { at: 1_700_000_001_234, level: 'warn', text: 'client dropped code=protocol.not-msgpack' },
    { at: 1_700_000_002_500, level: 'info', text: 'partition start name=alpha state=running' },
  ];
  readonly #vps: Vp[] = [];
  #seed: number;
  #events: Events['events'] = [];

  constructor(lps: number, pid: number, seed = 1) {
    this.#seed = seed;
    const partitions = [this.#partition('alpha', 4, 64), this.#partition('beta', 2, 64), this.#partition('legacy', 2, 32)];
    this.stats = {
      at: 0,
      pid,
      clockMode: 'quantum',
      seed: 1,
      frequencyHz: FREQUENCY_HZ,
      lps: Array.from({ length: lps }, (_, id) => lpAt(id)),
      partitions,
      policies: Object.fromEntries(POLICIES.map((policy) => [policy.name, policy.default])),
      scripts: [],
    };
  }

  /** Lets `ms` of host time pass. */
  advance(ms: number): void {
    for (let passed = 0; passed < ms; passed += SLICE_MS) this.#slice();
    this.stats.at += ms;
  }

  takeEvents(): Events['events'] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  /** Where its interrupts come from: the same at each call but for what has passed. */
  vtlb(stale = 0): VtlbInspect {
    const space = (sas: number): Extract<VtlbInspect, { kind: 'vtlb' }>['spaces'][number] => ({
      sas,
      level: sas === 3 ? 3 : 4,
      users: sas === 1 ? 2 : sas === 3 ? 1 : 0,
      mode: '4-level WP',
      cr3: `0x${(0x10_0000 + sas * 4096).toString(16)}`,
      pcid: sas % 3,
      stale: stale > 0 && sas % 2 === 1,
      version: sas,
      nodes: sas === 1 ? [3] : [],
      generation: sas === 2 ? 6 : 7,
      root: sas + 1,
      tables: sas === 3 ? 3 : 8 + sas,
      translations: 30 + sas,
    });
    return {
      kind: 'vtlb',
      generation: 7,
      tables: [
        { node: 0, live: 100, condemned: 3, free: 409 },
        { node: 1, live: 50, condemned: 0, free: 462 },
      ],
      pages: { N: 1, T: 37, D: 2, C: 1 },
      spaces: [0, 1, 2, 3].map(space),
    };
  }

  setLoad(name: string, job: string, parameters: unknown, vps: unknown): Record<string, never> {
    for (const load of this.stats.partitions.find((one) => one.name === name)!.load)
      if (!Array.isArray(vps) || vps.includes(load.vp))
        Object.assign(load, { job, parameters, operations: 0, latencySum: 0, latencyP99: 0, latencyMax: 0, latencyCount: 0 });
    return {};
  }

  inspect(name: string): PartitionInspect {
    const partition = this.stats.partitions.find((one) => one.name === name)!;
    const hex = (value: bigint, digits: number): string => `0x${value.toString(16).padStart(digits, '0')}`;
    return {
      ...partition,
      processor: { name: 'x86-64', signature: 0, features: [] },
      devices: [],
      registers: partition.vps.map(({ id }) => ({
        vp: id,
        rip: hex(0xffff_ffff_8100_0000n + BigInt(id), 16),
        rflags: '0x00000246',
        cr0: '0x80050033',
        cr3: hex(0x10_0000n + 4096n * BigInt(id), 16),
        cr4: '0x000000b0',
        efer: '0x00000d01',
        cpl: 0,
        mode: 'long 64',
        gpr: Object.fromEntries(
          ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi'].map((reg, n) => [reg, hex(BigInt(16 * id + n), 16)]),
        ),
        apic: { posted: [], requested: [0xec], inService: [0x41], tpr: 0, requests: 0 },
      })),
      synic: [],
      unknownInstructions: [],
      vmbus: null,
      crash: null,
      waitingLoads: [],
      refusedLoads: [],
    };
  }

  /** A line for each half second, and two bytes that move a cursor. */
  console(name: string, position: number): { data: Uint8Array; position: number } {
    const lines = Array.from({ length: Math.floor(this.stats.at / 500) }, (_, n) => `${name}: \x1b[1mline ${n}\x1b[0m\r\n`);
    const data = new TextEncoder().encode(lines.join('')).subarray(position);
    return { data, position: position + data.length };
  }

  interrupts(log?: { partition: string; vp: number }): InterruptsInspect {
    const { at, lps, partitions } = this.stats;
    return {
      at,
      lps: lps.map(({ id, interrupts }) => ({
        id,
        byVector: { 33: interrupts >> 4, 65: interrupts >> (1 + (id & 3)), ...(id === 0 ? { 236: interrupts } : {}) },
        physical: {
          eois: interrupts >> 5,
          specificEois: 0,
          deferredNow: id & 1,
          deferredTotal: interrupts >> 7,
          deferredMax: 2,
          revoked: 0,
        },
      })),
      partitions: partitions.map(({ name, interrupts: { byKind } }) => {
        const { timer = 0, ipi = 0, device = 0 } = byKind;
        const legacy = name === 'legacy';
        return {
          name,
          bySource: { device, ipi, sint: legacy ? 0 : ipi >> 2, timer, pic: legacy ? device : 0, other: 0 },
          ends: legacy
            ? { exit: timer + ipi, assist: 0, auto: 0, specific: 0 }
            : { exit: ipi >> 4, assist: timer + ipi, auto: ipi >> 2, specific: 0 },
          sints: legacy ? [] : [{ sint: 2, busy: 1, pending: 1, waiting: 5, flags: 3, messages: ipi, events: timer, interrupts: ipi }],
          eoms: ipi >> 5,
        };
      }),
      log: log === undefined ? null : this.#log(log),
    };
  }

  #log({ partition, vp }: { partition: string; vp: number }): InterruptLog {
    const clock = this.stats.lps[0]!.clock;
    const records = Array.from({ length: 40 }, (_, i) => ({
      vector: i % 3 === 0 ? 0xec : 0x41 + vp,
      kind: i % 3 === 0 ? 'timer' : 'ipi',
      state: i === 39 ? 'in service' : i % 3 === 0 ? 'exit' : 'assist',
      delivered: clock - (40 - i) * 10_000,
      waitCycles: i % 7 === 0 ? 2_340_000 : 120 * (i % 5),
      servedCycles: i === 39 ? null : 4500,
    }));
    return { partition, vp, clock, records };
  }

  #slice(): void {
    const ready = this.#vps.filter((vp) => vp.stats.state !== 'halted');
    for (const lp of this.stats.lps) {
      if (lp.vp === null || this.#chance(0.15)) this.#switch(lp, ready);
      this.#run(lp);
    }
    for (const vp of this.#vps)
      if (vp.stats.state !== 'running' && this.#chance(0.1)) vp.stats.state = this.#chance(0.25) ? 'halted' : 'ready';
    for (const lp of this.stats.lps) lp.queue = this.#vps.filter((vp) => vp.stats.state === 'ready' && vp.stats.lp === lp.id).length;
  }

  #switch(lp: LpStats, ready: readonly Vp[]): void {
    const old = this.#vps.find((vp) => vp.stats.lp === lp.id && vp.stats.state === 'running');
    if (old !== undefined) {
      old.stats.state = 'ready';
      this.#events.push({
        lp: lp.id,
        clock: lp.clock % 2 ** 32,
        kind: 'scheduleOut',
        partition: old.partition.name,
        vp: old.stats.id,
        a: 0,
        b: 0,
      });
    }
    const waiting = ready.filter((vp) => vp.stats.state === 'ready');
    const next = waiting[Math.floor(this.#random() * waiting.length)];
    if (next === undefined || this.#chance(0.08)) {
      lp.vp = null;
      lp.state = 'idle';
      return;
    }
    if (next.stats.lp !== lp.id) next.stats.counters.lpMigrations = (next.stats.counters.lpMigrations ?? 0) + 1;
    next.stats.state = 'running';
    next.stats.lp = lp.id;
    lp.vp = `${next.partition.name}/${next.stats.id}`;
    lp.state = this.#chance(0.1) ? 'hypervisor' : 'running';
    lp.contextSwitches++;
    this.#events.push({
      lp: lp.id,
      clock: lp.clock % 2 ** 32,
      kind: 'scheduleIn',
      partition: next.partition.name,
      vp: next.stats.id,
      a: 0,
      b: 0,
    });
  }

  #run(lp: LpStats): void {
    const cycles = Math.round(SLICE_MS * CYCLES_PER_MS * (0.9 + 0.2 * this.#random()));
    lp.clock += cycles;
    const vp = lp.vp === null ? undefined : this.#vps.find((other) => `${other.partition.name}/${other.stats.id}` === lp.vp);
    if (vp === undefined) {
      lp.idleCycles += cycles;
      return;
    }
    for (const [name, scale] of [
      ['pageFaultIntercepts', 60],
      ['apicEoiAccesses', 9],
      ['hltIntercepts', 3],
    ] as const)
      vp.stats.counters[name] = (vp.stats.counters[name] ?? 0) + Math.floor(this.#random() * scale);
    const { spin } = vp.stats;
    if (vp.partition.name === 'beta' && this.#chance(0.3)) {
      spin.pauseSpins = (spin.pauseSpins ?? 0) + 4;
      spin.extensions = (spin.extensions ?? 0) + 1;
      spin.extendedCycles = (spin.extendedCycles ?? 0) + 100_000;
      spin.repaidCycles = (spin.repaidCycles ?? 0) + 60_000;
      spin.expressPreempted = (spin.expressPreempted ?? 0) + 2;
      spin.holderPreemptions = (spin.holderPreemptions ?? 0) + 1;
    }
    const wave = 0.5 + 0.5 * Math.sin(this.stats.at / 7000 + vp.partition.name.length);
    vp.stats.instructions += Math.round(cycles * (0.2 + 0.5 * wave) * this.speed);
    vp.stats.runCycles += cycles;
    const add = (record: Record<string, number>, name: string, scale: number): number => {
      const n = Math.floor(this.#random() * scale * 2);
      record[name] = (record[name] ?? 0) + n;
      return n;
    };
    INTERCEPTS.forEach((reason, index) => {
      if (index < 11) add(lp.intercepts, reason, 220 / (index + 1));
    });
    const fills = add(vp.partition.vtlb, 'fills', 160 * wave);
    lp.fills += fills;
    lp.generation += 2 * fills + (this.#chance(0.2) ? 1 : 0);
    for (const name of ['invalidations', 'reclaims', 'addressSpaceSwitches', 'guestFaults', 'pendingFillWaits'])
      add(vp.partition.vtlb, name, 12);
    vp.partition.vtlb.sptLive = 300 + Math.floor(100 * wave);
    vp.partition.vtlb.lockMode = 0;
    for (const [kind, scale] of [
      ['timer', 8],
      ['ipi', 20],
      ['device', 2],
      ['self', 1],
    ] as const)
      lp.interrupts += add(vp.partition.interrupts.byKind, kind, scale);
    for (const [vector, scale] of [
      ['236', 8],
      ['251', 14],
      ['253', 6],
      ['33', 2],
    ] as const)
      add(vp.partition.interrupts.byVector, vector, scale);
    if (this.#chance(0.1)) {
      lp.pendingFillWaits += 3;
      lp.fillWaitUs[2]! += 2;
      lp.fillWaitUs[7]! += 1;
    }
    lp.flushHandshakes += this.#chance(0.2) ? 2 : 0;
    const job = vp.partition.load.find((other) => other.vp === vp.stats.id);
    if (job !== undefined && job.job !== 'idle') {
      const n = 40 + Math.floor(200 * this.#random() * wave);
      job.operations += n;
      job.latencyCount += n;
      job.latencySum += n * 1800;
      job.latencyMax = Math.max(job.latencyMax, Math.floor(50_000 * this.#random()));
    }
  }

  #partition(name: string, vps: number, mebibytes: number): PartitionStats {
    const partition: PartitionStats = {
      name,
      state: 'running',
      reason: null,
      memory: mebibytes << 20,
      vps: [],
      vtlb: {},
      code: {},
      interrupts: { byKind: {}, byVector: {} },
      load: [],
    };
    for (let id = 0; id < vps; id++) {
      const stats = {
        id,
        state: 'ready',
        lp: null,
        instructions: 0,
        runCycles: 0,
        readyCycles: 0,
        blockedCycles: 0,
        limitedCycles: 0,
        displacedBy: {},
        spin: {},
        counters: {},
      };
      partition.vps.push(stats);
      partition.load.push({
        vp: id,
        job: name === 'beta' ? 'spinlock' : 'pagechurn',
        operations: 0,
        latencySum: 0,
        latencyP99: 0,
        latencyMax: 0,
        latencyCount: 0,
        request: 2,
        parameters: name === 'beta' ? { hold: 200, think: 500 } : {},
        errors: 0,
      });
      this.#vps.push({ partition, stats });
    }
    return partition;
  }

  #chance(probability: number): boolean {
    return this.#random() < probability;
  }

  /** Park and Miller's generator. */
  #random(): number {
    this.#seed = (this.#seed * 48271) % 0x7fffffff;
    return this.#seed / 0x7fffffff;
  }
}

const lpAt = (id: number): LpStats => ({
  id,
  node: id % 2,
  state: 'idle',
  vp: null,
  clock: 3_000_000_000,
  idleCycles: 0,
  generation: 0,
  hostCore: id % 2,
  queue: 0,
  intercepts: {},
  interrupts: 0,
  ipis: 0,
  kicks: 0,
  contextSwitches: 0,
  superMode: 'long',
  worldSwitches: 0,
  worldSwitchCycles: 0,
  fills: 0,
  flushHandshakes: 0,
  pendingFillWaits: 0,
  fillWaitUs: new Array<number>(16).fill(0),
});
