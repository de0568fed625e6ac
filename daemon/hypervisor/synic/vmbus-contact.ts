// The least of a VMBus: agrees on a version, offers nothing, and lets go again. So that a kernel that has the bus programs its controllers (Linux 6.1 drivers/hv/connection.c).
// All answers are messages by a port of the hypervisor's own, to the VP and SINT that the guest named in its first message.
import {
  InitiateContact,
  VersionResponse,
  VMBUS_CONNECTION_SINCE_5,
  VMBUS_CONNECTIONS,
  VMBUS_HEADER_BYTES,
  VMBUS_MESSAGE_TYPE,
  VMBUS_SINT,
  VMBUS_VERSION_5,
  VMBUS_VERSIONS,
  VmbusMessage,
} from '../../../shared/abi/vmbus.js';
import { PortKind, type SynicHeader } from '../../../shared/layout/synic.js';
import type { PortDirectory } from './port-directory.js';

/** Number of the hypervisor's port, which guests see as the origin of its answers: beyond those that a configuration can name. */
export const VMBUS_PORT_ID = 0x100_0000;

export const isVmbusConnection = (id: number): boolean => VMBUS_CONNECTIONS.includes(id);

export class VmbusContact {
  readonly #directory: PortDirectory;
  readonly #header: SynicHeader;

  constructor(directory: PortDirectory) {
    this.#directory = directory;
    this.#header = directory.header;
  }

  /** A message of the guest. What it does not understand it does not answer, as the bus itself. */
  take(type: number, payload: Uint8Array): void {
    if (type !== VMBUS_MESSAGE_TYPE || payload.length < VMBUS_HEADER_BYTES) return;
    const message = new DataView(payload.buffer, payload.byteOffset, payload.length);
    switch (message.getUint32(0, true)) {
      case VmbusMessage.INITIATE_CONTACT:
        if (payload.length >= InitiateContact.BYTES) this.#initiate(message);
        break;
      case VmbusMessage.REQUEST_OFFERS:
        this.#answer(VmbusMessage.ALL_OFFERS_DELIVERED, VMBUS_HEADER_BYTES);
        break;
      case VmbusMessage.UNLOAD:
        this.#header.vmbusVersion = 0;
        this.#answer(VmbusMessage.UNLOAD_RESPONSE, VMBUS_HEADER_BYTES);
        break;
    }
  }

  #initiate(message: DataView): void {
    const version = message.getUint32(InitiateContact.VERSION, true);
    const supported = VMBUS_VERSIONS.includes(version);
    const asked = version >= VMBUS_VERSION_5 ? message.getUint8(InitiateContact.SINT) & 15 : 0;
    const spec = {
      id: VMBUS_PORT_ID,
      kind: PortKind.MESSAGE,
      sint: asked === 0 ? VMBUS_SINT : asked,
      vp: message.getInt32(InitiateContact.TARGET_VP, true) & 0x7fff_ffff,
    };
    this.#directory.replacePort(spec);
    if (supported) this.#header.vmbusVersion = version;
    else this.#header.vmbusRefused++;
    this.#answer(VmbusMessage.VERSION_RESPONSE, VersionResponse.BYTES, (answer) => {
      answer.setUint8(VersionResponse.SUPPORTED, supported ? 1 : 0);
      answer.setUint32(VersionResponse.CONNECTION, VMBUS_CONNECTION_SINCE_5, true);
    });
  }

  /** Where the guest takes none, or has let too many wait, the answer is lost: that is its loss. */
  #answer(type: number, bytes: number, fill?: (answer: DataView) => void): void {
    const answer = new DataView(new ArrayBuffer(bytes));
    answer.setUint32(0, type, true);
    fill?.(answer);
    this.#directory.post(VMBUS_PORT_ID, VMBUS_MESSAGE_TYPE, new Uint8Array(answer.buffer));
  }
}
