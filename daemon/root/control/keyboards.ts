// Who types at the console of each partition: one connection at most, everybody else watches.

export class Keyboards {
  readonly #holders = new Map<string, object>();

  /** Whether it is the holder's from now on: it was free, or `force` takes it from whoever has it. */
  take(name: string, holder: object, force: boolean): boolean {
    if (!force && !this.isOpenTo(name, holder)) return false;
    this.#holders.set(name, holder);
    return true;
  }
  holds(name: string, holder: object): boolean {
    return this.#holders.get(name) === holder;
  }
  /** Nobody else has it. */
  isOpenTo(name: string, holder: object): boolean {
    const now = this.#holders.get(name);
    return now === undefined || now === holder;
  }
  release(name: string, holder: object): void {
    if (this.holds(name, holder)) this.#holders.delete(name);
  }
}
