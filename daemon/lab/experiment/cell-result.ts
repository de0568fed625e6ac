// Results as they come from elsewhere: a file, another host. Whatever does not look like one is none.
import { z } from 'zod';
import type { CellResult } from './run-cell.js';

const schema = z.object({
  id: z.string(),
  version: z.string(),
  settings: z.record(z.string(), z.string()),
  seed: z.number(),
  state: z.enum(['done', 'timeout', 'failed']),
  why: z.string().optional(),
  measured: z.record(z.string(), z.union([z.number(), z.boolean()])),
  assertions: z.array(z.object({ phase: z.string().nullable(), text: z.string(), holds: z.boolean(), why: z.string().optional() })),
  traceHash: z.string(),
  host: z.object({ startMs: z.number(), runMs: z.number() }),
});

/** Undefined: no result, or of another cell. `text`: JSON. */
export const readResult = (text: string, id: string): CellResult | undefined => {
  try {
    const { data } = schema.safeParse(JSON.parse(text));
    return data?.id === id ? (data as CellResult) : undefined;
  } catch {
    return undefined;
  }
};
