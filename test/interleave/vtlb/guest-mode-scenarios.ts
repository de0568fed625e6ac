// What waits for other LPs to leave guest mode: flush requests, marks of code, the bus lock.
import { LpContextLayout } from '../../../shared/layout/lp-context.js';
import { PageAccess } from '../../../shared/layout/paging.js';
import { lpContextAt } from '../../../shared/layout/partition.js';
import type { Scenario, ScenarioThread } from '../scenario.js';
import { spaOf } from '../small-machine.js';
import { COUNTER, GHOST, inGuest, load, OLD, oneSpace, PAGE, translate } from './acts.js';

export const GUEST_MODE_SCENARIOS: readonly Scenario[] = [
  {
    name: 'entering guest mode against a flush request',
    spts: 16,
    setup: oneSpace,
    prepare: (t) => {
      load(t);
      if (t.index === 1) t.lp.tlb.insert(0, PAGE, spaOf(OLD), false, OLD);
    },
    threads: [
      (t) => {
        t.lp.handshake.requestFlush(2);
        t.machine.partition.i32[GHOST >>> 2] = 1;
      },
      (t) => {
        for (let round = 0; round < 2; round++)
          inGuest(t, () => {
            const entry = (lpContextAt(1) + LpContextLayout.at.tlbs + (PAGE >>> 12) * 32) >>> 2;
            // The inline lookup and the access after it: the entry found must not be flushed by then, as far as others have been told.
            const hit = t.machine.partition.i32[entry] === PAGE;
            t.words.load(spaOf(OLD));
            if (hit && t.machine.partition.i32[GHOST >>> 2] === 1) throw new Error('an entry was used after its flush was acknowledged');
            t.lp.handshake.acknowledge();
          });
      },
    ],
    check: () => null,
  },
  {
    name: 'marking code against a write tag',
    spts: 16,
    setup: oneSpace,
    prepare: (t) => {
      load(t);
    },
    threads: [
      (t) => {
        t.lp.handshake.watchCode(OLD);
        t.machine.partition.i32[GHOST >>> 2] = 1;
      },
      (t) =>
        inGuest(t, () => {
          translate(t, PAGE, PageAccess.WRITE);
          t.lp.tlb.insert(0, PAGE, t.lp.walker.spa, t.lp.walker.writable, t.lp.walker.gfn);
          const entry = (lpContextAt(1) + LpContextLayout.at.tlbs + (PAGE >>> 12) * 32) >>> 2;
          for (let n = 0; n < 2; n++) {
            const tagged = t.machine.partition.i32[entry + 2] === PAGE;
            t.words.load(spaOf(OLD));
            if (tagged && t.machine.partition.i32[GHOST >>> 2] === 1) throw new Error('a write went unseen to a page marked as code');
            t.lp.handshake.acknowledge();
          }
        }),
    ],
    check: () => null,
  },
  {
    name: 'two that mark the same code',
    spts: 16,
    setup: oneSpace,
    prepare: (t) => {
      load(t);
      if (t.index === 2) {
        translate(t, PAGE, PageAccess.WRITE);
        t.lp.tlb.insert(0, PAGE, t.lp.walker.spa, t.lp.walker.writable, t.lp.walker.gfn);
      }
    },
    threads: [
      (t) => {
        t.lp.handshake.watchCode(OLD);
        t.machine.partition.i32[GHOST >>> 2] = 1;
      },
      (t) => {
        t.lp.handshake.watchCode(OLD);
        t.machine.partition.i32[GHOST >>> 2] = 1;
      },
      (t) =>
        inGuest(t, () => {
          const entry = (lpContextAt(2) + LpContextLayout.at.tlbs + (PAGE >>> 12) * 32) >>> 2;
          const tagged = t.machine.partition.i32[entry + 2] === PAGE;
          t.words.load(spaOf(OLD));
          if (tagged && t.machine.partition.i32[GHOST >>> 2] === 1) throw new Error('a write went unseen to a page marked as code');
        }),
    ],
    check: () => null,
  },
  {
    name: 'bus lock against guest mode',
    spts: 16,
    setup: oneSpace,
    prepare: load,
    threads: [
      (t) => {
        inGuest(t, () => {
          t.lp.handshake.stopOthers();
          const value = t.words.load(COUNTER);
          t.words.store(COUNTER, value + 1);
          t.lp.handshake.releaseOthers();
        });
      },
      (t) => {
        for (let n = 0; n < 2; n++) inGuest(t, () => t.words.add(COUNTER, 1));
      },
    ],
    check: (m) => (m.partition.i32[COUNTER >>> 2] === 3 ? null : `3 increments came to ${m.partition.i32[COUNTER >>> 2]}`),
  },
  {
    name: 'two bus locks and a flush request',
    spts: 16,
    setup: oneSpace,
    prepare: load,
    threads: [0, 1].map((lp) => (t: ScenarioThread) => {
      inGuest(t, () => {
        t.lp.handshake.stopOthers();
        const value = t.words.load(COUNTER);
        t.words.store(COUNTER, value + 1);
        t.lp.handshake.releaseOthers();
        t.lp.handshake.requestFlush(1 << (1 - lp));
      });
    }),
    check: (m) => (m.partition.i32[COUNTER >>> 2] === 2 ? null : `2 increments came to ${m.partition.i32[COUNTER >>> 2]}`),
  },
];
