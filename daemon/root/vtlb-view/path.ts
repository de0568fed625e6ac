// What `hvd vm inspect --path` can name inside a partition: the vTLB, one of its shadow address spaces, one of its shadow page tables.
import { HvdError } from '../../../shared/protocol/errors.js';

export type VtlbPath = { readonly kind: 'vtlb' } | { readonly kind: 'sas' | 'spt'; readonly number: number };

export const VTLB_PATHS = 'vtlb, vtlb/sas/N or vtlb/spt/N';

/** Throws inspect.path when `text` names nothing that can be shown. */
export const parseVtlbPath = (text: string): VtlbPath => {
  if (/^vtlb\/?$/.test(text)) return { kind: 'vtlb' };
  const match = /^vtlb\/(sas|spt)\/(\d{1,6})$/.exec(text);
  if (match === null) throw new HvdError('inspect.path', { path: text, why: `expected ${VTLB_PATHS}` });
  return { kind: match[1] as 'sas' | 'spt', number: Number(match[2]) };
};

export const nothingAt = (path: string, why: string): HvdError => new HvdError('inspect.path', { path, why });
