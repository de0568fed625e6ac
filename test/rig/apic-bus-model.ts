// Local APICs on a bus in the simplest form, after the text of SDM 3A 11.5.3, 11.6 and 11.12, written without a look at hvd's: who takes a message, what is an error.
// The oracle of the property test of destinations. A list of what each destination matches, and a loop over everybody.
import { ApicModel } from './apic-model.js';

export interface ModelMessage {
  readonly lowest: boolean;
  readonly logical: boolean;
  readonly destination: number;
  readonly vector: number;
  readonly level: boolean;
}
export const MODEL_ERROR_VECTOR = 0xfe;
const SEND_ILLEGAL = 1 << 5;
const RECEIVE_ILLEGAL = 1 << 6;

export class ModelApic extends ApicModel {
  enabled = true;
  logicalId = 0;
  cluster = false;
  errorMasked = false;
  /** Since the last write of ESR; and as it reads. */
  collected = 0;
  shown = 0;

  error(bit: number): void {
    const first = this.collected === 0;
    this.collected |= bit;
    // Not by way of the bus: the LVT's own interrupt comes even while the APIC takes no messages; its entry is masked then.
    if (first && !this.errorMasked) this.post(MODEL_ERROR_VECTOR, { level: false, auto: false });
  }
  latch(): void {
    this.shown = this.collected;
    this.collected = 0;
  }
  enable(on: boolean): void {
    this.enabled = on;
    if (!on) this.errorMasked = true;
  }
  /** SDM 3A 11.6.2.4. */
  get arbitrationClass(): number {
    return Math.max(this.tpr, ...this.isr, ...this.irr.keys()) >> 4;
  }
}

export class ModelBus {
  readonly apics: readonly ModelApic[];
  readonly x2apic: boolean;

  constructor(count: number, x2apic: boolean) {
    this.apics = Array.from({ length: count }, () => new ModelApic());
    this.x2apic = x2apic;
  }

  #matches(id: number, { logical, destination }: ModelMessage, broadcast: number): boolean {
    if (destination === broadcast) return true;
    if (!logical) return destination === id;
    const { cluster, logicalId } = this.apics[id];
    // 11.12.10.2: the logical ID follows from the ID, sixteen to a cluster.
    if (this.x2apic) return Math.floor(destination / 65536) === Math.floor(id / 16) && ((destination % 65536) >> (id % 16)) % 2 === 1;
    // 11.6.2.2: flat, eight bits; cluster, four bits of number and four of members, 15 all clusters.
    if (!cluster) return (destination & logicalId) !== 0;
    const inCluster = destination >> 4 === 15 || destination >> 4 === logicalId >> 4;
    return inCluster && (destination & logicalId & 15) !== 0;
  }

  /** Those among whom one is to be chosen, or who all are to take it. */
  targets(message: ModelMessage, broadcast: number, except = -1): number[] {
    const matching = [...this.apics.keys()].filter(
      (id) => id !== except && this.apics[id].enabled && this.#matches(id, message, broadcast),
    );
    if (!message.lowest) return matching;
    const lowest = Math.min(...matching.map((id) => this.apics[id].arbitrationClass));
    return matching.filter((id) => this.apics[id].arbitrationClass === lowest);
  }

  take(id: number, { vector, level }: ModelMessage): void {
    if (vector < 16) this.apics[id].error(RECEIVE_ILLEGAL);
    else this.apics[id].post(vector, { level, auto: false });
  }
  /** An IPI with a vector that there is not never gets onto the bus. */
  isSent(sender: number, vector: number): boolean {
    if (vector >= 16) return true;
    this.apics[sender].error(SEND_ILLEGAL);
    return false;
  }
}
