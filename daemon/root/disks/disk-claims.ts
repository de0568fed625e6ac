// Which files the machine's disks are on: two disks that write to one file, or one that reads what another writes, would each find what it has not stored.

export class DiskClaims {
  /** By file: how many disks read it only; -1: one writes to it. */
  readonly #users = new Map<string, number>();

  /** Returns what takes the claim back; undefined when it cannot be had. */
  claim(file: string, writes: boolean): (() => void) | undefined {
    const users = this.#users.get(file) ?? 0;
    if (users < 0 || (writes && users > 0)) return undefined;
    this.#users.set(file, writes ? -1 : users + 1);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      const left = writes ? 0 : (this.#users.get(file) ?? 1) - 1;
      if (left === 0) this.#users.delete(file);
      else this.#users.set(file, left);
    };
  }
}
