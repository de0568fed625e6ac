// One partition as one LP has it: VPs, virtual APICs, platform, memory management, processor, clock. Everything else in this folder works on it.
// Every LP has such an object for every partition; what they share is in partition memory.

import { ApicBase } from '../../shared/abi/apic.js';
import { readProcessor } from '../../shared/cpu/partition-processor.js';
import type { ProcessorChoice } from '../../shared/cpu/processor-choice.js';
import { callRoot } from '../../shared/layout/gate.js';
import { KICKED, LpContextLayout } from '../../shared/layout/lp-context.js';
import {
  ClockMode,
  EventType,
  INTERCEPTS,
  type InterceptName,
  LpBlock,
  LpLayout,
  lpBlockAt,
  MachineHeader,
} from '../../shared/layout/machine.js';
import { lpContextAt, PartitionHeader, PartitionLayout, PartitionState, vpBlockAt } from '../../shared/layout/partition.js';
import { countSpin, type SpinCounter, SpinKind, VpSchedule, vpScheduleAt } from '../../shared/layout/schedule.js';
import { type Views, viewsOf } from '../../shared/layout/struct.js';
import { Slot, VpBlock, type VpCounter, VpLayout, VpRequest, vpCounterIndex } from '../../shared/layout/vp.js';
import { ApicEoi, findPolicy, settingIn } from '../../shared/protocol/policies.js';
import type { GuestProcessor } from '../machine/guest-processor.js';
import { GuestFault } from '../machine/processor.js';
import { Platform } from '../platform/platform.js';
import type { ApicBus } from './apic/apic-bus.js';
import { NOWHERE } from './apic/eoi-assist.js';
import { deliverMessage } from './apic/message.js';
import { applyRequests } from './apic/requests.js';
import { hasVector } from './apic/vector-set.js';
import { VirtualApic } from './apic/virtual-apic.js';
import { GuestClock } from './guest-clock.js';
import { type HyperV, hypervOf } from './hyperv/hyperv.js';
import { synicTest } from './hyperv/synic-test.js';
import { takeStart } from './hyperv/vp-start.js';
import { Monitors } from './monitors.js';
import { PartitionEnd } from './partition-end.js';
import { type Reaching, reach } from './reach.js';
import { ShadowMmu } from './shadow-mmu.js';
import { CriticalSection } from './spin/critical-section.js';
import { StoreGate } from './store-gate.js';
import { Trace } from './trace.js';
import { NO_TIME } from './vtlb/virtual-costs.js';
import type { GuestWiring } from './wiring.js';
import { GuestWorld } from './world/guest-world.js';

const INTERCEPT_INDEX = Object.fromEntries(INTERCEPTS.map((name, i) => [name, i])) as Record<InterceptName, number>;
const STATE = PartitionLayout.at.state >>> 2;
const EOI_POLICY = findPolicy('apic.eoi');
const DETECT_POLICY = findPolicy('spin.detect');

/**
 * How long root is waited for by devices. In the deterministic mode without end: no course may hang on how slow the host is, and root's end is the process's, which takes the LPs
 * with it.
 */
const PATIENCE_MS: Readonly<Record<number, number>> = { [ClockMode.DETERMINISTIC]: Number.POSITIVE_INFINITY, [ClockMode.QUANTUM]: 1 };

export class PartitionOnLp implements ApicBus, Reaching {
  readonly wiring: GuestWiring;
  readonly views: Views;
  readonly header: PartitionHeader;
  readonly vpCount: number;
  readonly model: ProcessorChoice;
  readonly vps: readonly VpBlock[];
  readonly schedules: readonly VpSchedule[];
  readonly apics: readonly VirtualApic[];
  readonly lpBlock: LpBlock;
  readonly section: CriticalSection;
  readonly monitors: Monitors;
  readonly clock: GuestClock;
  readonly ends: PartitionEnd;
  readonly trace: Trace;
  /** ApicBus. */
  readonly interrupts: Trace;
  readonly world: GuestWorld;
  readonly platform: Platform;
  readonly fault: GuestFault = new GuestFault();
  readonly mmu: ShadowMmu;
  /** Stores to guest memory by devices and hypercalls. */
  readonly stores: StoreGate;
  /** The partition's Hyper-V interface, if it has one. */
  readonly hyperv: HyperV | undefined;
  /** Set by whoever builds it (processor-host), before anything runs. */
  processor!: GuestProcessor;
  /** VP being run, -1 none. */
  current = -1;
  /** SpinKind: the VP that ran last was found spinning. */
  spinning: number = SpinKind.NONE;
  /** The VP that runs is past its slice because it was in a critical section: it leaves guest code when that ends. */
  extended = false;

  constructor(wiring: GuestWiring) {
    this.wiring = wiring;
    this.views = viewsOf(wiring.memory.buffer);
    this.header = new PartitionHeader(this.views, 0);
    this.vpCount = this.header.vpCount;
    this.model = readProcessor(this.views);
    this.lpBlock = new LpBlock(wiring.machine, lpBlockAt(wiring.lp));
    this.vps = Array.from({ length: this.vpCount }, (_, i) => new VpBlock(this.views, vpBlockAt(i)));
    this.schedules = this.vps.map((_, index) => new VpSchedule(this.views, vpScheduleAt(index)));
    this.section = new CriticalSection(this);
    this.world = new GuestWorld(this);
    this.monitors = new Monitors(this.views, this.vps, (vp) => this.kick(vp));
    this.clock = new GuestClock(wiring, this.header, () => this.processor.remaining);
    this.trace = this.interrupts = new Trace(this, wiring.trace);
    this.ends = new PartitionEnd(this.views, (cause, detail) => {
      this.kickOtherLps();
      this.kickSelf();
      wiring.event(this.clock.cycles(), EventType.CRASH, Math.max(0, this.current), cause, detail);
    });
    const { clockMode } = new MachineHeader(wiring.machine, 0);
    this.platform = new Platform(this.views, {
      now: () => this.clock.now(),
      deliver: (destination, logical, mode, vector, level) => void deliverMessage(this, destination, logical, mode, vector, level),
      beginStore: (gpa, bytes) => this.stores.begin(gpa >>> 12, gpa & 4095, bytes),
      endStore: (gpa, bytes) => this.stores.end(gpa >>> 12, gpa & 4095, bytes),
      deterministic: clockMode === ClockMode.DETERMINISTIC,
      patienceMs: PATIENCE_MS[clockMode] ?? 0,
      setIntr: (asserted) => {
        if (asserted) this.kick(0);
      },
      synicTest: (command) => this.hyperv && synicTest(this.hyperv, command),
      powerOff: () => this.ends.powerOff(),
      reset: () => this.ends.reset(),
      debugExit: (value) => this.ends.debugExit(value),
      textSeen: () => this.ends.textSeen(),
      remapped: () => this.mmu.flushPartition(),
      callRoot: () => callRoot(wiring.machine),
      lowerLine: (vector) => wiring.devices.lower(vector),
      assertedLine: () => wiring.devices.asserted(),
    });
    this.apics = this.vps.map(
      (vp) =>
        new VirtualApic(vp, this, wiring.frequencyHz, (vector) => this.platform.ioapicEoi(vector), {
          ended: (vector) => {
            if (hasVector(this.views.i32, vp.passedThrough, vector)) wiring.devices.finished(vp.index, vector);
            this.hyperv?.messaging?.directory.synic.endOfInterrupt(vp.index, vector);
          },
          marker: () => (this.eoiPolicy === ApicEoi.EXIT ? NOWHERE : (this.hyperv?.assistPage(vp.index) ?? NOWHERE)),
          store: (address, bytes, put) => this.hyperv?.overlays.store(address, bytes, put),
        }),
    );
    const fetch = {
      flushAll: () => this.processor?.code.jumps.flush(),
      flushBank: (bank: number) => this.processor?.code.jumps.flushBank(bank),
      flushPage: (gva: number) => this.processor?.code.jumps.flushPage(gva),
      select: (bank: number) => this.processor?.selectBank(bank),
    };
    const listener = {
      tlbMiss: this.counting('hardwareTlbMisses'),
      pageFault: this.account('pageFault', 'pageFaultIntercepts', 'sptFill'),
      handled: () => this.world.resume(),
      reflected: () => this.count(this.processor.vp, 'reflectedGuestPageFaults'),
    };
    const virtual = {
      costs: wiring.costs,
      now: () => this.clock.cycles(),
      charge: (cycles: number) => this.processor.charge(cycles),
      waited: (what: number, cycles: number) => this.trace.waited(what, cycles),
    };
    const time = wiring.realtime ? NO_TIME : virtual;
    this.mmu = new ShadowMmu(wiring.machine, this.views, wiring.lp, fetch, this.fault, listener, { time });
    this.stores = new StoreGate({
      words: this.mmu.lp.handshake.words,
      monitors: this.monitors,
      vtlb: this.mmu.lp.vtlb,
      kickOtherLps: () => this.kickOtherLps(),
    });
    this.hyperv = hypervOf(this);
  }

  /** How the partition's guest may end interrupts (policy `apic.eoi`). */
  get eoiPolicy(): number {
    return settingIn(this.views, this.wiring.machine, EOI_POLICY);
  }

  // --- states -------------------------------------------------------------------------------------------------------------------------------

  get state(): number {
    return Atomics.load(this.views.i32, STATE);
  }
  get isRunning(): boolean {
    return this.state === PartitionState.RUNNING;
  }
  stateOf(vp: VpBlock): number {
    return Atomics.load(this.views.i32, (vp.base + VpLayout.at.state) >>> 2);
  }
  setState(vp: VpBlock, state: number): void {
    Atomics.store(this.views.i32, (vp.base + VpLayout.at.state) >>> 2, state);
  }
  /** Of this object. */
  get lp(): number {
    return this.wiring.lp;
  }
  /** LP that runs the VP, or in whose queue it stands. */
  lpOf(vp: VpBlock): number {
    return Atomics.load(this.views.i32, (vp.base + VpLayout.at.lp) >>> 2);
  }
  setLp(vp: VpBlock, lp: number): void {
    Atomics.store(this.views.i32, (vp.base + VpLayout.at.lp) >>> 2, lp);
  }
  systemFlags(vp: VpBlock): number {
    return this.views.u32[(vp.base + Slot.FLAG_SYSTEM * 8) >>> 2];
  }

  // --- what others have left for a VP ---------------------------------------------------------------------------------------------------------

  /** Takes requests and vectors that were posted to the VP; returns the requests (VpRequest). Owner LP only. */
  takePosted(index: number): number {
    const vp = this.vps[index];
    const taken = applyRequests(this.apics[index]);
    if ((taken & VpRequest.START) !== 0 && this.hyperv !== undefined) takeStart(this.hyperv, index);
    this.apics[index].pull();
    // A bootstrap processor goes to the reset vector (SDM 3A 9.4.2). Where there is no ROM that is the end, with its reason.
    if ((taken & VpRequest.INIT) !== 0 && (vp.apicBaseLo & ApicBase.BSP) !== 0 && !this.mmu.lp.overlays.hasRom)
      this.ends.initOfBootProcessor(index);
    return taken;
  }
  /** Whether the 8259's interrupt is the VP's to acknowledge: VP 0's by wire (LINT0), anybody's by a message of the I/O APIC. */
  hasExtInt(index: number): boolean {
    const vp = this.vps[index];
    const sent = Atomics.load(this.views.i32, (vp.base + VpLayout.at.extInt) >>> 2) !== 0;
    return (sent || (index === 0 && this.apics[0].acceptsExtInt())) && this.platform.picPending();
  }
  /** As `hasExtInt` for the VP in guest code, by plain reads: what other threads change comes with a kick. */
  seesExtInt(index: number): boolean {
    if (!this.platform.picSeen()) return false;
    const sent = this.views.i32[(this.vps[index].base + VpLayout.at.extInt) >>> 2] !== 0;
    return sent || (index === 0 && this.apics[0].acceptsExtInt());
  }
  /** The 8259's vector: its spurious one when another VP was faster. */
  acknowledgeExtInt(index: number): number {
    Atomics.store(this.views.i32, (this.vps[index].base + VpLayout.at.extInt) >>> 2, 0);
    return this.platform.picAcknowledge();
  }

  // --- kicks: whoever is told must look at what was posted to it ----------------------------------------------------------------------------

  vpBlock(index: number): VpBlock {
    return this.vps[index];
  }
  /** ApicBus: what was posted to the VP is visible by now. */
  kick(index: number): void {
    if (this.current >= 0 && this.current !== index) this.#asks(index);
    reach(this, this.vps[index]);
  }
  /** Reaching: it is another LP that is told, of whom something may be wanted at once. */
  told(vp: VpBlock, lp: number): void {
    this.lpBlock.kicks++;
    this.charge('ipi');
    if (this.#nodeOf(lp) !== this.#nodeOf(this.lp)) this.charge('remoteIpi');
    this.wiring.event(this.clock.cycles(), EventType.IPI, Math.max(0, this.current), vp.index, lp);
    this.trace.kicked(vp.index, lp);
  }
  /** Reaching. */
  wake(lp: number): void {
    this.wiring.signal(lp, this.clock.cycles());
  }
  /** The VP that runs may be going to wait for this one's answer. */
  #asks(index: number): void {
    const record = this.schedules[this.current];
    if (index < 32) record.askedLow |= 1 << index;
    else record.askedHigh |= 1 << (index - 32);
  }
  /** The VP that runs spins: it leaves guest code when that is to be noticed (policy `spin.detect`). */
  spins(kind: number, detect: number, counter: SpinCounter): void {
    if (!this.detects(detect)) return;
    countSpin(this.schedules[this.current], counter);
    this.trace.spun(kind);
    this.spinning = kind;
    this.kickSelf();
  }
  /** Whether a way to find VPs that wait is in use. */
  detects(way: number): boolean {
    return (settingIn(this.views, this.wiring.machine, DETECT_POLICY) & way) !== 0;
  }
  /** ApicBus: cycles of this LP. */
  now(): number {
    return this.clock.cycles();
  }
  #nodeOf(lp: number): number {
    return this.wiring.machine.u32[(lpBlockAt(lp) + LpLayout.at.node) >>> 2];
  }
  /** Makes an LP that runs this partition leave guest code soon. */
  setKick(lp: number): void {
    Atomics.store(this.views.i32, (lpContextAt(lp) + LpContextLayout.at.kick) >>> 2, KICKED);
  }
  /** The VP that runs here leaves guest code at the next boundary: an interrupt may be deliverable, or the run must end. */
  kickSelf(): void {
    this.setKick(this.wiring.lp);
  }
  kickOtherLps(): void {
    for (let lp = 0; lp < this.header.lpCount; lp++) if (lp !== this.wiring.lp) this.setKick(lp);
  }

  // --- accounts -----------------------------------------------------------------------------------------------------------------------------

  count(vp: VpBlock, counter: VpCounter, n = 1): void {
    this.views.u32[(vp.counters >>> 2) + vpCounterIndex[counter]] += n;
  }
  /** As `count` by one for the current VP, looked up once. */
  counting(counter: VpCounter): () => void {
    const { u32 } = this.views;
    const at = (VpLayout.at.counters >>> 2) + vpCounterIndex[counter];
    return () => {
      u32[(this.processor.vp.base >>> 2) + at]++;
    };
  }
  /** Cycles of an intercept's round trip and of `costs`. */
  roundTrip(...costs: string[]): number {
    return ['interceptRoundTrip', ...costs].reduce((sum, cost) => sum + (this.wiring.costs[cost] ?? 0), 0);
  }
  /** Counts intercepts of the current VP, all looked up once: for the intercepts that guests live on. */
  tally(reason: InterceptName, counter: VpCounter | undefined): (times: number) => void {
    const { u32 } = this.views;
    const machine = this.wiring.machine.u32;
    const all = (this.lpBlock.base + LpLayout.at.intercepts) >>> 2;
    const own = (this.lpBlock.interceptCounts >>> 2) + INTERCEPT_INDEX[reason];
    const vpCounter = counter === undefined ? -1 : (VpLayout.at.counters >>> 2) + vpCounterIndex[counter];
    return (times) => {
      machine[all] += times;
      machine[own] += times;
      if (vpCounter >= 0) u32[(this.processor.vp.base >>> 2) + vpCounter] += times;
    };
  }
  /** Counts an intercept of the current VP and charges its round trip and `costs`. */
  account(reason: InterceptName, counter: VpCounter | undefined, ...costs: string[]): () => void {
    const count = this.tally(reason, counter);
    const cycles = this.roundTrip(...costs);
    const number = INTERCEPT_INDEX[reason];
    return () => {
      this.trace.intercepted(number);
      this.world.intercepted();
      count(1);
      this.processor.charge(cycles);
    };
  }
  /** Counts an intercept and charges its round trip. */
  intercept(reason: InterceptName): void {
    const block = this.lpBlock;
    this.trace.intercepted(INTERCEPT_INDEX[reason]);
    this.world.intercepted();
    block.intercepts++;
    this.wiring.machine.u32[(block.interceptCounts >>> 2) + INTERCEPT_INDEX[reason]]++;
    this.charge('interceptRoundTrip');
  }
  /** Charges a cost of configs/costs.yaml to the LP's clock. */
  charge(cost: string): void {
    this.processor.charge(this.wiring.costs[cost] ?? 0);
  }
}
