// The partition that `hvd vm create` is to make: a YAML file, flags, or a file changed by flags.
import { resolve } from 'node:path';
import { HvdError } from '../../shared/protocol/errors.js';
import type { PartitionConfig } from '../../shared/protocol/messages.js';
import { readPartitionFile, withPaths } from '../root/config/machine-file.js';
import { partitionSchema } from '../root/config/schema.js';
import { type DeviceFlags, withDevices } from './device-flags.js';
import { checkOptions, numeric } from './options.js';
import type { ClientFlags } from './with-daemon.js';

export interface CreateFlags extends ClientFlags, DeviceFlags {
  readonly image?: string;
  readonly name?: string;
  readonly vps?: string;
  readonly memory?: string;
  readonly cpu?: string;
  readonly hv?: string;
  readonly append?: string;
  readonly initrd?: string;
  readonly load?: string;
  readonly start?: boolean;
}

export const partitionOf = (what: string, flags: CreateFlags): PartitionConfig => {
  const given = {
    ...(flags.image === undefined ? {} : { image: flags.image }),
    ...(flags.vps === undefined ? {} : { vps: numeric(flags.vps) }),
    ...(flags.memory === undefined ? {} : { memory: flags.memory }),
    ...(flags.cpu === undefined ? {} : { cpu: flags.cpu }),
    ...(flags.append === undefined ? {} : { append: flags.append }),
    ...(flags.initrd === undefined ? {} : { initrd: resolve(flags.initrd) }),
    ...(flags.load === undefined ? {} : { load: { job: flags.load } }),
    ...(flags.start === true ? { autostart: true } : {}),
  };
  const isFile = /\.ya?ml$/i.test(what);
  if (!isFile && flags.image === undefined)
    throw new HvdError('usage', { what: `${what}: give a .yaml file, or --image for a partition of that name` });
  const base: Partial<PartitionConfig> = isFile ? readPartitionFile(what) : { name: what, vps: 1, memory: 64 << 20 };
  const hv = flags.hv === undefined ? {} : { hv: { ...base.hv, features: flags.hv } };
  return withPaths(
    // What has a verb of its own to start it is not started by being created, unless the file or the flag says so.
    checkOptions(partitionSchema, {
      autostart: false,
      ...base,
      ...given,
      ...hv,
      ...withDevices(base.devices, flags),
      ...(flags.name === undefined ? {} : { name: flags.name }),
    }),
    process.cwd(),
  );
};
