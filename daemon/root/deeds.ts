// Tells what is done to the machine, for those who write it down as a script.
import type { Deed, Events } from '../../shared/protocol/messages.js';
import type { InputKind, Inputs } from './gate/inputs.js';

type Listener = (deed: Events['deed']) => void;

export class Deeds {
  readonly #listeners = new Set<Listener>();

  /** Returns the way to stop. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** It has been done. `now`: asked only where somebody listens. */
  tell<K extends InputKind>(kind: K, params: Inputs[K], now: () => { readonly clock: number; readonly at: number }): void {
    if (this.#listeners.size === 0) return;
    const deed = deedOf(kind, params);
    if (deed === undefined) return;
    for (const listener of this.#listeners) listener({ ...now(), ...deed });
  }
}

/** Undefined: no script can do it. */
const deedOf = <K extends InputKind>(kind: K, params: Inputs[K]): Deed | undefined => {
  switch (kind) {
    case 'vm.create':
      return { kind: 'create', config: (params as Inputs['vm.create']).config };
    case 'vm.start':
    case 'vm.pause':
    case 'vm.resume':
    case 'vm.stop':
    case 'vm.destroy':
      return { kind: 'verb', vm: (params as Inputs['vm.start']).name, verb: kind.slice(3) as Extract<Deed, { kind: 'verb' }>['verb'] };
    case 'policy': {
      const { name, value, vm } = params as Inputs['policy'];
      return { kind: 'policy', name, value, ...(vm === undefined ? {} : { vm }) };
    }
    case 'load.set': {
      const { name, load } = params as Inputs['load.set'];
      return { kind: 'load', vm: name, load };
    }
    case 'load.stop': {
      const { name, vps } = params as Inputs['load.stop'];
      return { kind: 'idle', vm: name, ...(vps === undefined ? {} : { vps }) };
    }
    default:
      return undefined;
  }
};
