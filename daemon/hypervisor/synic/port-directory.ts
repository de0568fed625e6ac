// A partition's ports and connections as one LP reaches them: opening and closing, one at a time, and posting by number.
import { HvStatus } from '../../../shared/abi/hyperv.js';
import { PartitionMap } from '../../../shared/layout/partition.js';
import type { Views } from '../../../shared/layout/struct.js';
import { PortKind, SynicHeader, SynicHeaderLayout } from '../../../shared/layout/synic.js';
import { FutexLock } from '../../machine/futex-lock.js';
import type { SharedWords } from '../../machine/shared-words.js';
import { type ConnectionSpec, Connections } from './connections.js';
import { type PortSpec, Ports } from './ports.js';
import { Synic, type SynicHost } from './synic.js';

export class PortDirectory {
  readonly synic: Synic;
  readonly header: SynicHeader;
  readonly #ports: Ports;
  readonly #connections: Connections;
  readonly #lock: FutexLock;

  constructor(views: Views, words: SharedWords, host: SynicHost) {
    this.#ports = new Ports(views, words);
    this.#connections = new Connections(views, words);
    this.synic = new Synic(views, words, this.#ports, host);
    this.header = new SynicHeader(views, PartitionMap.SYNIC);
    this.#lock = new FutexLock(words, PartitionMap.SYNIC + SynicHeaderLayout.at.lock);
  }

  /** A message to the port of that number. */
  post(port: number, type: number, payload: Uint8Array): HvStatus {
    const open = this.#ports.find(port);
    if (open === undefined || open.kind !== PortKind.MESSAGE) return HvStatus.INVALID_PORT_ID;
    return this.synic.post(open, type, payload);
  }

  /** An event to the port of that number; `flag` counts from the first one that is the port's. */
  signal(port: number, flag: number): HvStatus {
    const open = this.#ports.find(port);
    if (open === undefined || open.kind !== PortKind.EVENT) return HvStatus.INVALID_PORT_ID;
    return flag < open.flagCount ? this.synic.signal(open, flag) : HvStatus.INVALID_PARAMETER;
  }

  connection(id: number): ConnectionSpec | undefined {
    return this.#connections.find(id);
  }

  openPort(spec: PortSpec): boolean {
    return this.#alone(() => this.#ports.open(spec));
  }
  closePort(id: number): boolean {
    return this.#alone(() => this.#close(id));
  }
  /** The port becomes another one; what the old one has sent is dropped. */
  replacePort(spec: PortSpec): boolean {
    return this.#alone(() => {
      this.#close(spec.id);
      return this.#ports.open(spec);
    });
  }
  openConnection(spec: ConnectionSpec): boolean {
    return this.#alone(() => this.#connections.open(spec));
  }
  closeConnection(id: number): boolean {
    return this.#alone(() => this.#connections.close(id));
  }

  #close(id: number): boolean {
    return this.#ports.close(id, (port) => this.synic.drop(port));
  }

  #alone(action: () => boolean): boolean {
    this.#lock.lock();
    try {
      return action();
    } finally {
      this.#lock.unlock();
    }
  }
}
