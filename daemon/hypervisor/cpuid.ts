// What CPUID says to guests: the partition's processor model with exactly the features that it has (shared/cpu), and the partition's topology (SDM 2A, CPUID).
import { APIC_FREQUENCY_HZ, ApicBase } from '../../shared/abi/apic.js';
import {
  bits,
  EXTENDED_FIRST_LEAF,
  Feature1Ecx,
  Feature1Edx,
  HYPERVISOR_FIRST_LEAF,
  HYPERVISOR_LAST_LEAF,
} from '../../shared/abi/cpuid.js';
import { Cr4, LINEAR_ADDRESS_BITS, PHYSICAL_ADDRESS_BITS, Xcr0 } from '../../shared/abi/registers.js';
import type { FeatureSet } from '../../shared/cpu/feature-set.js';
import { FeatureLeaf } from '../../shared/cpu/features.js';
import type { CpuModel } from '../../shared/cpu/models.js';
import type { ProcessorChoice } from '../../shared/cpu/processor-choice.js';
import type { VpBlock } from '../../shared/layout/vp.js';
import { MONITOR_LINE_BYTES } from './monitors.js';

/** EAX, EBX, ECX, EDX; made once and overwritten by every query. */
export type CpuidResult = [number, number, number, number];
/** Answers leaves 40000000h..4000ffffh by filling `out` (zeroed before). */
export type HypervisorLeaves = (vp: VpBlock, leaf: number, subleaf: number, out: CpuidResult) => void;

/** Caches for leaf 4, as type | level << 5, ways, sets; lines of 64 bytes: 32 KiB L1D, 32 KiB L1I, 4 MiB L2. */
const CACHES: readonly (readonly [number, number, number])[] = [
  [1 | (1 << 5), 8, 64],
  [2 | (1 << 5), 8, 64],
  [3 | (2 << 5), 16, 4096],
];

/** Where the AVX component begins, which is the end of the header, and where it ends. */
const XSAVE_LEGACY_END = 576;
const XSAVE_AVX_END = 832;

const greatestCommonDivisor = (a: number, b: number): number => (b === 0 ? a : greatestCommonDivisor(b, a % b));
const fourBytes = (text: string, at: number): number => {
  let value = 0;
  for (let i = 3; i >= 0; i--) value = (value << 8) | (at + i < text.length ? text.charCodeAt(at + i) : 0);
  return value >>> 0;
};

const VENDOR = [0, 8, 4].map((at) => fourBytes('GenuineIntel', at)) as [number, number, number];

export class CpuidModel {
  readonly #model: CpuModel;
  readonly #features: FeatureSet;
  /** The feature bits of each register, by FeatureLeaf. */
  readonly #shown: Uint32Array;
  readonly #vpCount: number;
  readonly #tscHz: number;
  readonly #hypervisorLeaves: HypervisorLeaves | undefined;
  /** log2 of the VPs rounded up: bits of the APIC ID that number the VPs. */
  readonly #idBits: number;
  readonly #out: CpuidResult = [0, 0, 0, 0];

  constructor(vpCount: number, tscHz: number, { model, features }: ProcessorChoice, hypervisorLeaves?: HypervisorLeaves) {
    this.#model = model;
    this.#features = features;
    this.#shown = Uint32Array.from(Object.values(FeatureLeaf), (leaf) => features.register(leaf));
    this.#vpCount = vpCount;
    this.#tscHz = tscHz;
    this.#hypervisorLeaves = hypervisorLeaves;
    this.#idBits = 32 - Math.clz32(vpCount - 1);
  }

  /** The result is overwritten by the next query. */
  query(vp: VpBlock, leaf: number, subleaf: number): Readonly<CpuidResult> {
    const out = this.#out;
    out[0] = out[1] = out[2] = out[3] = 0;
    if (leaf >= HYPERVISOR_FIRST_LEAF && leaf <= HYPERVISOR_LAST_LEAF) this.#hypervisorLeaves?.(vp, leaf, subleaf, out);
    else if (leaf >= EXTENDED_FIRST_LEAF && leaf <= this.#model.maxExtendedLeaf) this.#extended(leaf);
    // Above the last leaf of either range, Intel processors answer with the last basic one (SDM 2A, CPUID).
    else this.#basic(vp, Math.min(leaf, this.#model.maxLeaf), subleaf);
    return out;
  }

  #basic(vp: VpBlock, leaf: number, subleaf: number): void {
    switch (leaf) {
      case 0:
        this.#set(this.#model.maxLeaf, VENDOR[0], VENDOR[1], VENDOR[2]);
        break;
      case 1:
        this.#versionAndFeatures(vp);
        break;
      case 2:
        // One descriptor: FFh, "leaf 4 has the caches".
        this.#set(0x00ff_0001, 0, 0, 0);
        break;
      case 4:
        this.#cache(subleaf);
        break;
      case 5:
        // Lines of 64 bytes; ECX bit 0 of MWAIT makes masked interrupts end the wait; one C1 state.
        if (this.#features.has('monitor')) this.#set(MONITOR_LINE_BYTES, MONITOR_LINE_BYTES, 3, 1 << 4);
        break;
      case 6:
        this.#set(this.#shown[FeatureLeaf.THERMAL_EAX], 0, 0, 0);
        break;
      case 7:
        if (subleaf === 0)
          this.#set(
            0,
            this.#shown[FeatureLeaf.STRUCTURED_EBX],
            this.#shown[FeatureLeaf.STRUCTURED_ECX],
            this.#shown[FeatureLeaf.STRUCTURED_EDX],
          );
        break;
      case 0xb:
        this.#topology(vp, subleaf);
        break;
      case 0xd:
        if (this.#features.has('xsave')) this.#extendedState(vp, subleaf);
        break;
      case 0x15: {
        // TSC = crystal x EBX / EAX; the crystal is also the APIC timer's clock (SDM 3A 11.5.4).
        const divisor = greatestCommonDivisor(this.#tscHz, APIC_FREQUENCY_HZ);
        this.#set(APIC_FREQUENCY_HZ / divisor, this.#tscHz / divisor, APIC_FREQUENCY_HZ, 0);
        break;
      }
      case 0x16: {
        const megahertz = Math.round(this.#tscHz / 1e6) & 0xffff;
        this.#set(megahertz, megahertz, 100, 0);
        break;
      }
    }
  }

  /** The components of XCR0, and the sizes of XSAVE areas: of what is enabled now, and of all there is (SDM 1 13.2). */
  #extendedState(vp: VpBlock, subleaf: number): void {
    const avx = this.#features.has('avx');
    const now = (vp.xcr0 & Xcr0.AVX) !== 0 ? XSAVE_AVX_END : XSAVE_LEGACY_END;
    if (subleaf === 0) this.#set(Xcr0.X87 | Xcr0.SSE | (avx ? Xcr0.AVX : 0), now, avx ? XSAVE_AVX_END : XSAVE_LEGACY_END, 0);
    else if (subleaf === 1) this.#set(this.#shown[FeatureLeaf.XSAVE_EAX], this.#features.has('xsavec') ? now : 0, 0, 0);
    else if (subleaf === 2 && avx) this.#set(XSAVE_AVX_END - XSAVE_LEGACY_END, XSAVE_LEGACY_END, 0, 0);
  }

  #versionAndFeatures(vp: VpBlock): void {
    const { signature } = this.#model;
    let ecx = this.#shown[FeatureLeaf.BASIC_ECX];
    let edx = this.#shown[FeatureLeaf.BASIC_EDX];
    // These two follow what the VP has set: IA32_APIC_BASE.EN and CR4.OSXSAVE.
    if ((vp.apicBaseLo & ApicBase.ENABLE) === 0) edx &= ~bits(Feature1Edx.APIC);
    if ((vp.cr4 & Cr4.OSXSAVE) !== 0) ecx |= bits(Feature1Ecx.OSXSAVE);
    if (this.#hypervisorLeaves !== undefined) ecx |= bits(Feature1Ecx.HYPERVISOR);
    if (this.#vpCount > 1) edx |= bits(Feature1Edx.HTT);
    const line = this.#features.has('clflush') ? 8 << 8 : 0;
    const ebx = this.#features.has('apic') ? ((vp.apicId & 0xff) << 24) | ((1 << this.#idBits) << 16) : 0;
    this.#set(signature, ebx | line, ecx, edx);
  }

  /** Each VP is a core with caches of its own; the package holds them all. */
  #cache(subleaf: number): void {
    const cache = CACHES[subleaf];
    if (cache === undefined) return;
    const [kind, ways, sets] = cache;
    this.#set((((1 << this.#idBits) - 1) << 26) | (1 << 8) | kind, ((ways - 1) << 22) | 63, sets - 1, 0);
  }

  /** Level 0: one thread a core. Level 1: the cores of the package. */
  #topology(vp: VpBlock, subleaf: number): void {
    if (subleaf === 0) this.#set(0, 1, 1 << 8, vp.apicId);
    else if (subleaf === 1) this.#set(this.#idBits, this.#vpCount, (2 << 8) | 1, vp.apicId);
    else this.#set(0, 0, subleaf & 0xff, vp.apicId);
  }

  #extended(leaf: number): void {
    switch (leaf) {
      case 0x8000_0000:
        this.#set(this.#model.maxExtendedLeaf, 0, 0, 0);
        break;
      case 0x8000_0001:
        this.#set(0, 0, this.#shown[FeatureLeaf.EXTENDED_ECX], this.#shown[FeatureLeaf.EXTENDED_EDX]);
        break;
      case 0x8000_0002:
      case 0x8000_0003:
      case 0x8000_0004: {
        const at = (leaf - 0x8000_0002) * 16;
        const { brand } = this.#model;
        this.#set(fourBytes(brand, at), fourBytes(brand, at + 4), fourBytes(brand, at + 8), fourBytes(brand, at + 12));
        break;
      }
      case 0x8000_0006:
        // L2: size in KiB 31:16, associativity 15:12 (8 = 16 ways), line size 7:0.
        this.#set(0, 0, (4096 << 16) | (8 << 12) | 64, 0);
        break;
      case 0x8000_0007:
        this.#set(0, 0, 0, this.#shown[FeatureLeaf.POWER_EDX]);
        break;
      case 0x8000_0008:
        this.#set((LINEAR_ADDRESS_BITS << 8) | PHYSICAL_ADDRESS_BITS, 0, 0, 0);
        break;
    }
  }

  #set(eax: number, ebx: number, ecx: number, edx: number): void {
    const out = this.#out;
    out[0] = eax >>> 0;
    out[1] = ebx >>> 0;
    out[2] = ecx >>> 0;
    out[3] = edx >>> 0;
  }
}
