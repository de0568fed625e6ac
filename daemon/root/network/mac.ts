// Addresses of network devices: given, or made of the partition's name and the device's place, so that they are the same at each boot and on each machine.
import { createHash } from 'node:crypto';

/** Locally administered, as virtual machines' customarily begin. */
const PREFIX = [0x52, 0x54, 0x00];

export const macOf = (text: string): Uint8Array => Uint8Array.from(text.split(':'), (part) => Number.parseInt(part, 16));
export const defaultMac = (partition: string, index: number): Uint8Array =>
  Uint8Array.of(...PREFIX, ...createHash('sha256').update(`${partition}/${index}`).digest().subarray(0, 3));
export const macText = (mac: Uint8Array): string => Array.from(mac, (byte) => byte.toString(16).padStart(2, '0')).join(':');
