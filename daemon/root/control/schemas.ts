// What each request's parameters must look like; nothing that comes over the socket is used before it has passed here.
import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { MAX_VPS } from '../../../shared/layout/partition.js';
import { HvdError } from '../../../shared/protocol/errors.js';
import type { Method, Requests } from '../../../shared/protocol/messages.js';
import { FAILURE_TEXT_MAX, FAILURES_MAX } from '../../../shared/protocol/script-progress.js';
import { formatPath, nameSchema, strict } from '../config/fields.js';
import {
  connectionShape,
  loadShape,
  partitionSchema,
  periodSchema,
  portId,
  portSchema,
  schedulingChange,
  vpListSchema,
} from '../config/schema.js';

/** Statistics frames a second that a client may ask for. 0 ends them. */
export const STATS_HZ = { min: 0.1, max: 20 } as const;
/** Console input in one request, bytes. */
export const CONSOLE_WRITE_MAX = 4096;

const nothing = strict({});
const named = strict({ name: nameSchema });
const anyText = z.string().max(64);
const count = z.int().min(0).max(1e9);
const amount = z.number().min(0).max(1e12);
/** Columns or rows. */
const terminalSize = z.int().min(1).max(65_535);

const SCHEMAS: { readonly [M in Method]: z.ZodType<Requests[M][0]> } = {
  hello: z.object({ version: z.number(), server: z.string().optional(), pid: z.number().optional() }) as z.ZodType<Requests['hello'][0]>,
  status: nothing,
  stats: nothing,
  shutdown: nothing,
  'vm.create': partitionSchema,
  'vm.list': nothing,
  'vm.start': named,
  'vm.pause': named,
  'vm.resume': named,
  'vm.stop': named,
  'vm.destroy': named,
  'vm.schedule': strict({ name: nameSchema, ...schedulingChange }),
  'vm.inspect': named,
  'vm.inspect.vtlb': strict({ name: nameSchema, path: anyText }),
  interrupts: strict({
    log: strict({
      partition: nameSchema,
      vp: z
        .int()
        .min(0)
        .max(MAX_VPS - 1),
    }).optional(),
  }),
  'vm.screen': named,
  'vm.console.read': strict({
    name: nameSchema,
    position: z
      .number()
      .int()
      .min(0)
      .max(2 ** 32 - 1),
  }),
  'vm.console.write': strict({
    name: nameSchema,
    data: z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length <= CONSOLE_WRITE_MAX, {
      error: `expected at most ${CONSOLE_WRITE_MAX} bytes (msgpack bin)`,
    }),
  }),
  'vm.console.attach': strict({ name: nameSchema, write: z.boolean().optional(), force: z.boolean().optional() }),
  'vm.console.size': strict({ name: nameSchema, columns: terminalSize, rows: terminalSize }),
  snapshot: strict({
    file: z
      .string()
      .max(4096)
      .refine((file) => isAbsolute(file), { error: 'expected an absolute path' }),
  }),
  'policy.list': nothing,
  'policy.get': strict({ name: anyText, vm: nameSchema.optional() }),
  'policy.set': strict({ name: anyText, value: anyText, vm: nameSchema.optional() }),
  'device.list': nothing,
  'device.raise': named,
  'device.lower': named,
  'device.period': strict({ name: nameSchema, cycles: periodSchema }),
  'port.list': named,
  'port.open': strict({ name: nameSchema, port: portSchema }),
  'port.close': strict({ name: nameSchema, id: portId }),
  'connection.open': strict({ name: nameSchema, connection: strict(connectionShape) }),
  'connection.close': strict({ name: nameSchema, id: portId }),
  'load.set': strict({ name: nameSchema, ...loadShape }),
  'load.stop': strict({ name: nameSchema, vps: vpListSchema.optional() }),
  'load.progress': strict({
    name: nameSchema,
    state: z.enum(['running', 'passed', 'failed', 'stopped']),
    phase: nameSchema,
    index: count.min(1),
    phases: count.min(1),
    step: count.min(1),
    steps: count.min(1),
    seconds: amount,
    length: amount,
    assertions: strict({ holds: count, fails: count, left: count }),
    failures: z.array(z.string().max(FAILURE_TEXT_MAX)).max(FAILURES_MAX),
  }),
  trace: strict({ on: z.boolean() }),
  subscribe: strict({
    stats: z
      .custom<number>((value) => value === 0 || (typeof value === 'number' && value >= STATS_HZ.min && value <= STATS_HZ.max), {
        error: `expected 0 or ${STATS_HZ.min} to ${STATS_HZ.max} frames a second`,
      })
      .optional(),
    events: z.boolean().optional(),
    log: z.boolean().optional(),
    deeds: z.boolean().optional(),
  }),
};

export const isMethod = (name: string): name is Method => Object.hasOwn(SCHEMAS, name);

/** The checked parameters. Throws request.invalid with the first thing wrong. */
export const parseParams = <M extends Method>(method: M, params: unknown): Requests[M][0] => {
  const result = SCHEMAS[method].safeParse(params ?? {});
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  throw new HvdError('request.invalid', { method, path: formatPath(issue.path), why: issue.message });
};
