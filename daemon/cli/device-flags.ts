// Virtio devices by flags: they come after those that a partition's file has.
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { HvdError } from '../../shared/protocol/errors.js';
import type { DiskAccess, PartitionConfig, VirtualDeviceConfig } from '../../shared/protocol/messages.js';

export interface DeviceFlags {
  readonly disk?: readonly string[];
  readonly floppy?: readonly string[];
  readonly net?: readonly string[];
  readonly virtioConsole?: boolean;
}

const ACCESS_WORDS: Readonly<Record<string, DiskAccess>> = { ro: 'read-only', cow: 'copy-on-write', rw: 'persistent' };

export const deviceOptions = (command: Command): Command =>
  command
    .option(
      '--disk <file[,ro|cow]>',
      'a virtio disk on this file, read-only or with writes that are forgotten; again for more; with a BIOS the first two are IDE drives',
      (file: string, before: readonly string[] = []) => [...before, file],
    )
    .option(
      '--floppy <file[,ro|cow]>',
      'with a BIOS: a floppy of 720K, 1.2M, 1.44M or 2.88M in drive A; again for B',
      (file: string, before: readonly string[] = []) => [...before, file],
    )
    .option(
      '--net <user[,forward...]|switch:name>',
      "a virtio network device to the world outside, with ports as in user,tcp:2222:22, or on a switch of the machine's; again for more",
      (to: string, before: readonly string[] = []) => [...before, to],
    )
    .option('--virtio-console', 'a virtio console beside COM1, both on the same streams');

/** `drives`: so many of the disks are IDE drives. */
export const withDevices = (
  base: readonly VirtualDeviceConfig[] | undefined,
  flags: DeviceFlags,
  drives = 0,
): Pick<PartitionConfig, 'devices'> => {
  const more: VirtualDeviceConfig[] = [
    ...(flags.virtioConsole === true ? [{ kind: 'console' } as const] : []),
    ...(flags.floppy ?? []).map((text) => ({ ...diskOf('--floppy', text), bus: 'floppy' as const })),
    ...(flags.disk ?? []).map((text, index) => ({ ...diskOf('--disk', text), ...(index < drives ? { bus: 'ide' as const } : {}) })),
    ...(flags.net ?? []).map(networkOf),
  ];
  return more.length === 0 ? {} : { devices: [...(base ?? []), ...more] };
};

const networkOf = (text: string): VirtualDeviceConfig => {
  const [to = '', ...forward] = text.split(',');
  return { kind: 'network', to, ...(forward.length === 0 ? {} : { forward }) };
};

const diskOf = (option: string, text: string): Extract<VirtualDeviceConfig, { kind: 'disk' }> => {
  const comma = text.lastIndexOf(',');
  const word = text.slice(comma + 1);
  if (comma < 0) return { kind: 'disk', file: resolve(text) };
  const access = Object.hasOwn(ACCESS_WORDS, word) ? ACCESS_WORDS[word] : undefined;
  if (access === undefined)
    throw new HvdError('usage', { what: `${option}: expected ${Object.keys(ACCESS_WORDS).join(', ')} behind the comma, got ${word}` });
  return { kind: 'disk', file: resolve(text.slice(0, comma)), access };
};
