// HvCallSignalEvent (TLFS 11.11.4): sets an event flag of the port that the connection leads to. Mostly called with its input in a register.
import { HvCall, HvPrivilege, HvStatus } from '../../../../shared/abi/hyperv.js';
import { PORT_ID_MAX, SignalEventInput } from '../../../../shared/abi/synic.js';
import type { SimpleHypercall } from '../hypercall.js';

/** Input: +0 u32 connection, +4 u16 flag, +6 u16 zero. */
export const signalEvent: SimpleHypercall = {
  kind: 'simple',
  code: HvCall.SIGNAL_EVENT,
  name: 'SignalEvent',
  allowed: (hv) => hv.has(HvPrivilege.SIGNAL_EVENTS),
  header: SignalEventInput.BYTES,
  output: 0,
  run: ({ messaging }, { input }) => {
    if (input.getUint16(SignalEventInput.RESERVED, true) !== 0) return HvStatus.INVALID_HYPERCALL_INPUT;
    const connection = input.getUint32(SignalEventInput.CONNECTION, true);
    if (messaging === undefined || connection > PORT_ID_MAX) return HvStatus.INVALID_CONNECTION_ID;
    return messaging.signal(connection, input.getUint16(SignalEventInput.FLAG, true));
  },
};
