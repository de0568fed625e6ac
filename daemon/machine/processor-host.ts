// What surrounds the processor of one partition on one LP: the contract that the hypervisor fulfils, and tests in small.
import type { FeatureSet } from '../../shared/cpu/feature-set.js';
import type { ShortcutExit } from '../../shared/layout/lp-context.js';
import type { Mmio, Translator } from './guest-memory.js';
import type { GuestFault, Intercepts } from './processor.js';

/** What surrounds the processor: hypervisor, devices, the other LPs. */
export interface ProcessorHost {
  readonly features: FeatureSet;
  /** The one fault object of this processor: translator and slow halves set it, `throw` carries it. */
  readonly fault: GuestFault;
  readonly translator: Translator;
  readonly mmio: Mmio;
  readonly intercepts: Intercepts;
  /** What an answer of CPUID costs: what `intercepts.cpuid` charges. */
  readonly cpuidCycles: number;
  /** What the intercepts cost that shortcuts deal with. */
  readonly exitCycles: Readonly<Record<ShortcutExit, number>>;
  /** Marks the page as code and returns when no LP holds a write tag for it. */
  watchCode(gfn: number): void;
  /** The page's code is forgotten: it may be written freely again, unless `marked` says that somebody has just translated from it. */
  unwatchCode(gfn: number, marked: () => boolean): void;
  /** Another LP may run code that has just changed: make it look. */
  kickOthers(): void;
  /** Whether a VP's MONITOR watches the page: it is then watched as a page of code is. */
  isMonitored(gfn: number): boolean;
  /** Bytes of a watched page have been stored. */
  stored(gfn: number, offset: number, bytes: number): void;
  /** Every other LP of the partition is out of guest mode between the two. */
  stopOthers(): void;
  releaseOthers(): void;
  /** Whether the VP's state needs a look after a slow half: it halted, an interrupt shadow began, or an interrupt can be taken now. */
  attention(): boolean;
  /** Brackets of guest mode, with the flush handshake's order. */
  enterGuest(): void;
  leaveGuest(): void;
}
