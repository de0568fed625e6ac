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
  /** Delivers an event whole, or does nothing and returns 0. `rip` is to be saved, `extraFlags` in the image of RFLAGS too; `error` -1: none. */
  deliver(kind: number, vector: number, error: number, rip: number, extraFlags: number): number;
}

export const shortcutsOf = (memory: WebAssembly.Memory, imports: ShortcutImports): Shortcuts => {
  const { exports } = new WebAssembly.Instance(MODULE, { env: { memory }, slow: { ...imports } });
  for (const name of ['attach', 'sys', 'loadMissed', 'storeMissed', 'deliver'])
    if (typeof exports[name] !== 'function') throw new TypeError(`daemon/shortcuts has no function ${name}`);
  return exports as unknown as Shortcuts;
};
