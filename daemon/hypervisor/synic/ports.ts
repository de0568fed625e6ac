// The ports of a partition: opened and closed by numbers, found by whoever posts. Any LP.
// What must not happen: a message for a port that has been closed, or for another one that has its place by now, comes in. So a port has a generation, which is looked at again
// under the controller's lock; who closes a port takes each controller's lock afterwards.
import { HvStatus } from '../../../shared/abi/hyperv.js';
import type { Views } from '../../../shared/layout/struct.js';
import { PORTS_MAX, Port, type PortKind, PortLayout, portAt } from '../../../shared/layout/synic.js';
import type { SharedWords } from '../../machine/shared-words.js';

const AT = PortLayout.at;
const OPEN = 1;

/** What a port is for. */
export interface PortSpec {
  readonly id: number;
  readonly kind: (typeof PortKind)['MESSAGE' | 'EVENT'];
  readonly sint: number;
  /** VP index or ANY_VP. */
  readonly vp: number;
  readonly firstFlag?: number;
  readonly flagCount?: number;
}

/** A port as it was found: good for as long as `Ports.isStill` says so. */
export interface OpenPort {
  readonly index: number;
  readonly state: number;
  readonly id: number;
  readonly kind: number;
  readonly sint: number;
  readonly vp: number;
  readonly firstFlag: number;
  readonly flagCount: number;
}

export class Ports {
  readonly #views: Views;
  readonly #words: SharedWords;

  constructor(views: Views, words: SharedWords) {
    this.#views = views;
    this.#words = words;
  }

  /** The open port of that number, or undefined. */
  find(id: number): OpenPort | undefined {
    for (let index = 0; index < PORTS_MAX; index++) {
      const state = this.#words.load(portAt(index) + AT.state);
      if ((state & OPEN) === 0) continue;
      const port = this.#at(index, state);
      if (port.id === id && this.isStill(port)) return port;
    }
    return undefined;
  }

  /** Whether the port is open and the same one. */
  isStill({ index, state }: OpenPort): boolean {
    return this.#words.load(portAt(index) + AT.state) === state;
  }

  /** False: the number is taken, or there are as many ports as there can be. One opener at a time. */
  open(spec: PortSpec): boolean {
    if (this.find(spec.id) !== undefined) return false;
    for (let index = 0; index < PORTS_MAX; index++) {
      const state = this.#words.load(portAt(index) + AT.state);
      if ((state & OPEN) !== 0) continue;
      const port = new Port(this.#views, portAt(index));
      port.id = spec.id;
      port.kind = spec.kind;
      port.sint = spec.sint;
      port.vp = spec.vp;
      port.firstFlag = spec.firstFlag ?? 0;
      port.flagCount = spec.flagCount ?? 0;
      this.#words.store(portAt(index) + AT.state, state | OPEN);
      return true;
    }
    return false;
  }

  /** Closes the port; `drop` then clears out what it has sent (Synic.drop). False: there is none. */
  close(id: number, drop: (port: number) => void): boolean {
    const port = this.find(id);
    if (port === undefined) return false;
    const closed = ((port.state >>> 1) + 1) << 1;
    if (this.#words.compareExchange(portAt(port.index) + AT.state, port.state, closed) !== port.state) return false;
    drop(port.index);
    return true;
  }

  accept({ index }: OpenPort): HvStatus {
    this.#words.add(portAt(index) + AT.accepted, 1);
    return HvStatus.SUCCESS;
  }
  refuse({ index }: OpenPort, status: HvStatus): HvStatus {
    this.#words.add(portAt(index) + AT.refused, 1);
    return status;
  }

  #at(index: number, state: number): OpenPort {
    const { id, kind, sint, vp, firstFlag, flagCount } = new Port(this.#views, portAt(index));
    return { index, state, id, kind, sint, vp, firstFlag, flagCount };
  }
}
