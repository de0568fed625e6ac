// The local APIC in the simplest form, after the text of SDM 3A 11.8 and APM 2 16.4.7, written without a look at hvd's: sets of vectors and maxima.
// The oracle of the property tests. It knows no assist page: that one must make no difference to anything here.

/** How one vector was asked for. */
export interface ModelRequest {
  readonly level: boolean;
  /** Ends by itself. */
  readonly auto: boolean;
}

export class ApicModel {
  /** Requested, with what the latest request said. */
  readonly irr = new Map<number, ModelRequest>();
  readonly isr = new Set<number>();
  /** Trigger mode of the vectors that were requested or are in service. */
  readonly tmr = new Set<number>();
  /** Vectors whose EOI the I/O APIC was told of. */
  readonly broadcasts: number[] = [];
  delivered = 0;
  ended = 0;
  auto = 0;
  tpr = 0;

  post(vector: number, request: ModelRequest): void {
    this.irr.set(vector, request);
    if (request.level) this.tmr.add(vector);
    else this.tmr.delete(vector);
  }

  /** SDM 3A 11.8.3.1: the higher class of TPR and ISRV; sub-class bits are the TPR's only where it is not below. */
  get ppr(): number {
    const inService = Math.max(0, ...this.isr);
    return this.tpr >> 4 >= inService >> 4 ? this.tpr : (inService >> 4) << 4;
  }

  /** The vector that an open window takes, or -1. */
  next(): number {
    const top = Math.max(-1, ...this.irr.keys());
    return top >> 4 > this.ppr >> 4 ? top : -1;
  }

  take(vector: number): void {
    const request = this.irr.get(vector);
    if (request === undefined) throw new Error(`the model has no request for ${vector}`);
    this.irr.delete(vector);
    this.delivered++;
    if (request.auto) this.auto++;
    else this.isr.add(vector);
  }

  eoi(): void {
    this.specificEoi(Math.max(-1, ...this.isr));
  }

  specificEoi(vector: number): void {
    if (!this.isr.delete(vector)) return;
    this.ended++;
    if (this.tmr.has(vector)) this.broadcasts.push(vector);
  }
}
