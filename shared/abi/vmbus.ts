// The first contact of the VMBus protocol: message numbers and layouts, as Linux 6.1 include/linux/hyperv.h has them. All of it travels in SynIC messages.

/** Connections on which a guest reaches the VMBus: the one of versions before 5.0, and the one since. */
export const VMBUS_CONNECTIONS: readonly number[] = [1, 4];
export const VMBUS_CONNECTION_SINCE_5 = 4;
/** SynIC message type of all VMBus messages, and the SINT that they come by unless a guest asks for another. */
export const VMBUS_MESSAGE_TYPE = 1;
export const VMBUS_SINT = 2;

/** u32 at +0 of the payload; u32 at +4 is padding. */
export const VmbusMessage = {
  REQUEST_OFFERS: 3,
  ALL_OFFERS_DELIVERED: 4,
  INITIATE_CONTACT: 14,
  VERSION_RESPONSE: 15,
  UNLOAD: 16,
  UNLOAD_RESPONSE: 17,
} as const;
export const VMBUS_HEADER_BYTES = 8;

/** INITIATE_CONTACT: version u32, target VP u32, then since 5.0 the SINT in one byte. */
export const InitiateContact = { VERSION: 8, TARGET_VP: 12, SINT: 16, BYTES: 17 } as const;
/** VERSION_RESPONSE: supported u8, state u8, padding u16, connection to use from now on u32. */
export const VersionResponse = { SUPPORTED: 8, STATE: 9, CONNECTION: 12, BYTES: 16 } as const;

/** Major << 16 | minor. */
export const VMBUS_VERSIONS: readonly number[] = [
  0x0_000d, 0x1_0001, 0x2_0004, 0x3_0000, 0x4_0000, 0x4_0001, 0x5_0000, 0x5_0001, 0x5_0002, 0x5_0003,
];
export const VMBUS_VERSION_5 = 0x5_0000;
