// Translating bytes in tests: one call from hex to micro-ops.
import { BlockBuilder } from '../../daemon/translate/block-builder.js';
import type { CodeMode } from '../../daemon/translate/code-mode.js';
import { dumpMicroOps } from '../../daemon/translate/dump.js';
import { type TranslatedBlock, translateBlock } from '../../daemon/translate/translate-block.js';
import { IMPLEMENTED } from '../../shared/cpu/feature-set.js';

export const LONG: CodeMode = { bits: 64, stackBits: 64, flat: true, plainLocks: false, features: IMPLEMENTED };
export const FLAT32: CodeMode = { bits: 32, stackBits: 32, flat: true, plainLocks: false, features: IMPLEMENTED };
export const REAL: CodeMode = { bits: 16, stackBits: 16, flat: false, plainLocks: false, features: IMPLEMENTED };
export const RIP = 0x1000;

export const hex = (text: string): Uint8Array => Uint8Array.from(text.trim().split(/\s+/), (byte) => Number.parseInt(byte, 16));

export const translateBytes = (
  builder: BlockBuilder,
  bytes: Uint8Array,
  mode: CodeMode,
  following: Uint8Array = new Uint8Array(14),
  rip = RIP,
): TranslatedBlock => translateBlock(builder, { bytes, following: () => following }, mode, rip);

export const microOps = (text: string, mode: CodeMode): string[] => {
  const builder = new BlockBuilder();
  translateBytes(builder, hex(text), mode);
  return dumpMicroOps(builder);
};
