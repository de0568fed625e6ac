// HvCallPostMessage (TLFS 11.11.3): a message to the port that the connection leads to, in another partition or this one.
import { HvCall, HvPrivilege, HvStatus } from '../../../../shared/abi/hyperv.js';
import { MESSAGE_PAYLOAD_MAX, MessageType, PORT_ID_MAX, PostMessageInput } from '../../../../shared/abi/synic.js';
import type { SimpleHypercall } from '../hypercall.js';

/** Input: +0 u32 connection, +8 u32 type, +12 u32 size, +16 payload. */
export const postMessage: SimpleHypercall = {
  kind: 'simple',
  code: HvCall.POST_MESSAGE,
  name: 'PostMessage',
  allowed: (hv) => hv.has(HvPrivilege.POST_MESSAGES),
  header: PostMessageInput.BYTES,
  output: 0,
  run: ({ messaging }, { input }) => {
    if (input.getUint32(PostMessageInput.RESERVED, true) !== 0) return HvStatus.INVALID_HYPERCALL_INPUT;
    const connection = input.getUint32(PostMessageInput.CONNECTION, true);
    const type = input.getUint32(PostMessageInput.TYPE, true);
    const size = input.getUint32(PostMessageInput.SIZE, true);
    if (messaging === undefined || connection > PORT_ID_MAX) return HvStatus.INVALID_CONNECTION_ID;
    if (type === MessageType.NONE || type >= MessageType.HYPERVISOR || size > MESSAGE_PAYLOAD_MAX) return HvStatus.INVALID_PARAMETER;
    return messaging.post(connection, type, new Uint8Array(input.buffer, PostMessageInput.PAYLOAD, size));
  },
};
