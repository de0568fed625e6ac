// The shortcuts through the slow half (daemon/shortcuts): compiled once a process, an instance for each LP and partition memory.
// They work while nothing watches single instructions; what they do not know they hand on.
import { readFileSync } from 'node:fs';

const MODULE = new WebAssembly.Module(readFileSync(new URL('../shortcuts/shortcuts.wasm', import.meta.url)));

/** Where they hand on to. */
export interface ShortcutImports {
  readonly sysSlow: (descriptor: number) => number;
  readonly loadSlow: (gva: number, info: number) => number;
  readonly storeSlow: (gva: number, width: number) => number;
  readonly portRead: (port: number, bytes: number) => number;
  readonly portWrite: (port: number, bytes: number, value: number) => void;
}

export interface Shortcuts {
  /** Addresses of the VP block and of the LP context that they work on. */
  attach(vp: number, context: number): void;
  /** The helper `sys` of translated code. */
  sys(descriptor: number): number;
  /** The helpers `loadSlow` and `storeSlow` of translated code. */
  loadMissed(gva: number, info: number): number;
  storeMissed(gva: number, width: number): number;
  /**
   * The steps of an access that has missed in the TLB, one by one, for PageAccess bits of a program's own data access. Each does nothing and returns 0 when it is not for the
   * shortcuts. Enters the page into the TLB: address of its entry. Fills the shadow tables: low half of the leaf. Invalidates the page.
   */
  translatePage(gva: number, access: number): number;
  fillPage(gva: number, access: number): number;
  clearPage(gva: number): number;
  /** Delivers an event whole, or does nothing and returns 0. `rip` is to be saved, `extraFlags` in the image of RFLAGS too; `error` -1: none. */
  deliver(kind: number, vector: number, error: number, rip: number, extraFlags: number): number;
}

export const shortcutsOf = (memory: WebAssembly.Memory, imports: ShortcutImports): Shortcuts => {
  const { exports } = new WebAssembly.Instance(MODULE, { env: { memory }, slow: { ...imports } });
  for (const name of ['attach', 'sys', 'loadMissed', 'storeMissed', 'translatePage', 'fillPage', 'clearPage', 'deliver'])
    if (typeof exports[name] !== 'function') throw new TypeError(`daemon/shortcuts has no function ${name}`);
  return exports as unknown as Shortcuts;
};
