// What every memory micro-op begins with: the inline lookup of the hardware TLB, before it that of a recent page.
import { RecentPage, TLB_ENTRIES, TlbEntry } from '../../../shared/layout/lp-context.js';
import type { Frame } from './frame.js';
import type { Code } from './wasm.js';

/** Leaves the TLB entry's address in `entry`, the linear address in `w` or `x`, and pushes i32 1 when the whole access hits the tag at `tag`. */
export const lookup = (c: Code, f: Frame, width: number, tag: number): void => {
  const narrow = f.fits32('a');
  if (narrow) {
    f.a32();
    c.tee(f.w);
  } else {
    f.a();
    c.tee(f.x);
    c.op('i32_wrap');
  }
  c.i32(7);
  c.op('i32_shr_u');
  c.i32((TLB_ENTRIES - 1) << 5);
  c.op('i32_and');
  f.tlb();
  c.op('i32_add');
  c.tee(f.entry);
  c.memory('i64_load', tag);
  // The last byte's page. Where 32 bits wrap it is another one with another entry: no hit.
  if (narrow) {
    c.get(f.w);
    if (width) {
      c.i32((1 << width) - 1);
      c.op('i32_add');
    }
    c.i32(-4096);
    c.op('i32_and');
    c.op('i64_extend_i32_u');
  } else {
    c.get(f.x);
    if (width) {
      c.i64s((1 << width) - 1);
      c.op('i64_add');
    }
    c.i64s(-4096);
    c.op('i64_and');
  }
  c.op('i64_eq');
};
/** What comes after a lookup, for the case of a hit: the host address of its access. */
export const hostAddress = (c: Code, f: Frame): void => {
  if (f.fits32('a')) c.get(f.w);
  else {
    c.get(f.x);
    c.op('i32_wrap');
  }
  c.get(f.entry);
  c.memory('i32_load', TlbEntry.ADDEND);
  c.op('i32_add');
};
/** For the case of a miss: the linear address as helpers take it. */
export const pushGva = (c: Code, f: Frame): void => {
  if (f.fits32('a')) {
    c.get(f.w);
    c.op('f64_convert_i32_u');
  } else {
    c.get(f.x);
    c.op('f64_convert_i64_s');
  }
};

/**
 * Leaves the linear address in `w` or `x` and pushes i32 1 when the access hits the recent page. The low bits of an access that is not aligned stay in the
 * comparison: it may reach into the next page, and takes the long way.
 */
export const tryRecent = (c: Code, f: Frame, width: number): void => {
  const kept = -4096 | ((1 << width) - 1);
  if (f.fits32('a')) {
    f.a32();
    c.tee(f.w);
    c.i32(kept);
    c.op('i32_and');
    c.op('i64_extend_i32_u');
  } else {
    f.a();
    c.tee(f.x);
    c.i64s(kept);
    c.op('i64_and');
  }
  f.tlb();
  c.memory('i64_load', f.recent() + RecentPage.TAG);
  c.op('i64_eq');
};
/** The host address of an access that hit there. */
export const recentAddress = (c: Code, f: Frame): void => {
  if (f.fits32('a')) c.get(f.w);
  else {
    c.get(f.x);
    c.op('i32_wrap');
  }
  f.tlb();
  c.memory('i32_load', f.recent() + RecentPage.ADDEND);
  c.op('i32_add');
};
/** After a lookup that hit: its page is the recent one. */
export const keepRecent = (c: Code, f: Frame): void => {
  f.tlb();
  if (f.fits32('a')) {
    c.get(f.w);
    c.op('i64_extend_i32_u');
  } else c.get(f.x);
  c.i64s(-4096);
  c.op('i64_and');
  c.memory('i64_store', f.recent() + RecentPage.TAG);
  f.tlb();
  c.get(f.entry);
  c.memory('i32_load', TlbEntry.ADDEND);
  c.memory('i32_store', f.recent() + RecentPage.ADDEND);
};
