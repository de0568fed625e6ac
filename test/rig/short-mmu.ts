// The processor's way to a page as programs have it: daemon/shortcuts first, and what they leave goes to the ShadowMmu. For tests that ask for pages without a program.
import { readFileSync } from 'node:fs';
import { ShadowMmu } from '../../daemon/hypervisor/shadow-mmu.js';
import { Access } from '../../daemon/machine/guest-memory.js';
import { type ShortcutImports, type Shortcuts, shortcutsOf } from '../../daemon/machine/shortcuts.js';
import { LpContext, Shortcut, TlbEntry } from '../../shared/layout/lp-context.js';
import { MachineLayout } from '../../shared/layout/machine.js';
import { PageAccess } from '../../shared/layout/paging.js';
import { lpContextAt } from '../../shared/layout/partition.js';
import type { ShortcutFault } from '../../shared/layout/translation-fields.js';
import type { VpBlock } from '../../shared/layout/vp.js';
import { findPolicy, settingOf } from '../../shared/protocol/policies.js';
import type { SmallMachine } from '../interleave/small-machine.js';

const none = (): number => 0;
const NOTHING: ShortcutImports = { sysSlow: none, loadSlow: none, storeSlow: none, portRead: none, portWrite: () => undefined };
/** As a processor that nobody watches has it: every shortcut is taken. */
export const attachShortcuts = (short: Shortcuts, vp: VpBlock, context: number): void => {
  new LpContext(vp.views, context).shortcuts = Shortcut.OWN | Shortcut.INTERCEPTS;
  short.attach(vp.base, context);
};
export const shortcutsAlone = (memory: WebAssembly.Memory): Shortcuts => shortcutsOf(memory, NOTHING);

const GATED = new WebAssembly.Module(readFileSync(new URL('../../daemon/shortcuts/gated.wasm', import.meta.url)));
/** The build that calls `gate` before each operation on a shared word, without one step of the protocol. */
export const gatedShortcuts = (memory: WebAssembly.Memory, gate: () => void, fault: ShortcutFault): Shortcuts =>
  new WebAssembly.Instance(GATED, {
    env: { memory },
    slow: { ...NOTHING },
    gate: { gate, isLacking: (step: number) => (step === fault ? 1 : 0) },
  }).exports as unknown as Shortcuts;

const LOCK = findPolicy('vtlb.lock')!;
const LOCK_WORD = (MachineLayout.at.policies >>> 2) + LOCK.word;
const GENERATION = settingOf(LOCK, 'generation');
const COALESCE = findPolicy('vtlb.coalesce')!;
const COALESCE_WORD = (MachineLayout.at.policies >>> 2) + COALESCE.word;
const OFF = settingOf(COALESCE, 'off');

export class ShortMmu extends ShadowMmu {
  readonly #short: Shortcuts;
  readonly #machine: SmallMachine;
  readonly #context: number;
  /** Accesses and invalidations that needed nothing else. */
  taken = { walks: 0, invalidations: 0 };

  constructor(machine: SmallMachine, short: Shortcuts, ...args: ConstructorParameters<typeof ShadowMmu>) {
    super(...args);
    this.#short = short;
    this.#machine = machine;
    this.#context = lpContextAt(args[2]);
  }

  override load(vp: VpBlock): void {
    super.load(vp);
    attachShortcuts(this.#short, vp, this.#context);
  }
  /** A run begins with a look at the policies; here each access does. */
  get #wanted(): boolean {
    const { i32 } = this.#machine.machine;
    return i32[LOCK_WORD] === GENERATION && i32[COALESCE_WORD] === OFF;
  }

  override resolve(gva: number, access: Access, user: boolean, implicit: boolean): number {
    if (access !== Access.EXECUTE && !implicit && this.#wanted) {
      const entry = this.#short.translatePage(gva, (access === Access.WRITE ? PageAccess.WRITE : 0) | (user ? PageAccess.USER : 0));
      if (entry !== 0) {
        this.taken.walks++;
        return ((gva | 0) + this.#machine.partition.i32[(entry + TlbEntry.ADDEND) >>> 2]!) >>> 0;
      }
    }
    return super.resolve(gva, access, user, implicit);
  }

  override invlpg(gva: number): void {
    if (!this.#wanted || this.#short.clearPage(gva) === 0) super.invlpg(gva);
    else this.taken.invalidations++;
  }
}
