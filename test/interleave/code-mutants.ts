// Deliberate faults in the protocol between stores into watched code and its translation, as in mutants.ts.
import { WatchedCode } from '../../daemon/machine/watched-code.js';

/** Does not say that it is under way before it looks at the lines. */
class SilentStore extends WatchedCode {
  protected override enter(): void {}
  override endStore(): void {}
}
/** The same by a look at the lines after the store. */
class LooksAgain extends SilentStore {
  #store: Parameters<WatchedCode['beginStore']> = [0, 0, 0];
  override beginStore(...store: Parameters<WatchedCode['beginStore']>): boolean {
    this.#store = store;
    return super.beginStore(...store);
  }
  override endStore(): void {
    this.invalidate(...this.#store);
  }
}
class LooksThenEnters extends WatchedCode {
  override beginStore(gfn: number, offset: number, bytes: number): boolean {
    const hit = this.invalidate(gfn, offset, bytes);
    this.enter();
    return hit;
  }
}
class WaitsForNobody extends WatchedCode {
  protected override storesUnderWay(): number {
    return 0;
  }
}
class VersionLast extends WatchedCode {
  override mark(...of: Parameters<WatchedCode['mark']>): number {
    super.mark(...of);
    return this.version(of[0]);
  }
}
class OutdatesLast extends WatchedCode {
  #hit = -1;
  override outdate(gfn: number): void {
    this.#hit = gfn;
  }
  override endStore(): void {
    if (this.#hit >= 0) super.outdate(this.#hit);
    super.endStore();
  }
}

export interface CodeMutant {
  readonly name: string;
  readonly WatchedCode: typeof WatchedCode;
}
export const CODE_MUTANTS: readonly CodeMutant[] = [
  { name: 'a store does not say that it is under way', WatchedCode: SilentStore },
  { name: 'a store looks at the lines again instead of saying that it is under way', WatchedCode: LooksAgain },
  { name: 'a store looks at the lines before it is under way', WatchedCode: LooksThenEnters },
  { name: 'a translation waits for no store', WatchedCode: WaitsForNobody },
  { name: 'the version is read last', WatchedCode: VersionLast },
  { name: 'the version is raised after the store', WatchedCode: OutdatesLast },
];
