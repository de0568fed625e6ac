// Command-line values checked by the same schema as configuration files, so that the limits are the same everywhere.
import type { z } from 'zod';
import { HvdError } from '../../shared/protocol/errors.js';
import type { MachineConfig } from '../../shared/protocol/messages.js';
import { formatPath } from '../root/config/fields.js';
import { machineSchema } from '../root/config/schema.js';

/** `64` is a number; anything else stays text, for the schema to refuse. */
export const numeric = (text: string): number | string => (/^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text);

/** A number above 0; `undefined` when the option is absent. */
export const positive = (option: string, text: string | undefined): number | undefined => {
  if (text === undefined) return undefined;
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : 0;
  if (value <= 0) throw new HvdError('usage', { what: `${option}: ${text} is not a number above 0` });
  return value;
};

/** Checks `value`; what is wrong is named by its option (`--memory`). */
export const checkOptions = <T>(schema: z.ZodType<T>, value: unknown, names: Readonly<Record<string, string>> = {}): T => {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const path = formatPath(issue.path);
  throw new HvdError('usage', {
    what: `${names[path] ?? `--${path.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`}: ${issue.message}`,
  });
};

/** Options that change a machine. */
export interface MachineFlags {
  readonly lps?: string;
  readonly nodes?: string;
  readonly clock?: string;
  readonly seed?: string;
  readonly quantumCycles?: string;
  readonly pin?: boolean | undefined;
  readonly idle?: string;
  /** `name=value` each. */
  readonly policy?: readonly string[];
}

/** `base` with the options given. Fewer LPs than nodes take nodes away, unless nodes were asked for. */
export const withFlags = (base: MachineConfig, flags: MachineFlags): MachineConfig => {
  const changed: Record<string, unknown> = { ...base };
  for (const key of ['lps', 'nodes', 'seed', 'quantumCycles'] as const) if (flags[key] !== undefined) changed[key] = numeric(flags[key]);
  for (const key of ['clock', 'idle', 'pin'] as const) if (flags[key] !== undefined) changed[key] = flags[key];
  if (flags.policy !== undefined) changed.policies = { ...base.policies, ...Object.fromEntries(flags.policy.map(policyOf)) };
  if (flags.nodes === undefined && typeof changed.lps === 'number' && changed.lps >= 1) changed.nodes = Math.min(base.nodes, changed.lps);
  return checkOptions(machineSchema, changed);
};

const policyOf = (text: string): [string, string] => {
  const equals = text.indexOf('=');
  if (equals < 1) throw new HvdError('usage', { what: `--policy: ${text} is not name=value` });
  return [text.slice(0, equals), text.slice(equals + 1)];
};
