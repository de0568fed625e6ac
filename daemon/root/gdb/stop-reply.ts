// What GDB is told of a stop (GDB manual, appendix E "Stop Reply Packets").
import { DebugReason, WatchKind } from '../../../shared/layout/debug.js';
import type { Stop, Watchpoint } from './debug-control.js';

/** Numbers of GDB's own. */
const SIGINT = '02';
const SIGTRAP = '05';

/** Threads are VPs, counted from 1: 0 and -1 mean any and all. */
export const threadOf = (vp: number): string => (vp + 1).toString(16);
export const addressHex = (address: number): string => BigInt.asUintN(64, BigInt(address)).toString(16);

/** `watches`: those that are set, since an access can be watched in more than one way. `thread`: where it was interrupted. */
export const stopReply = (stop: Stop, watches: readonly Watchpoint[], thread: number, breakName: string): string => {
  if (stop.kind === 'ended') return 'W00';
  if (stop.kind === 'interrupted') return `T${SIGINT}thread:${threadOf(thread)};`;
  const head = `T${SIGTRAP}thread:${threadOf(stop.vp)};`;
  if (stop.reason === DebugReason.BREAKPOINT) return `${head}${breakName}`;
  if (stop.reason !== DebugReason.WATCHPOINT) return head;
  const { access } = watches.find((watch) => covers(watch, stop.address, stop.access)) ?? { access: stop.access };
  return `${head}${WATCH_NAMES[access] ?? 'watch'}:${addressHex(stop.address)};`;
};

const covers = ({ from, bytes, access }: Watchpoint, address: number, kind: number): boolean =>
  address >= from && address < from + bytes && (access & kind) !== 0;
const WATCH_NAMES: Readonly<Record<number, string>> = {
  [WatchKind.WRITE]: 'watch',
  [WatchKind.READ]: 'rwatch',
  [WatchKind.READ | WatchKind.WRITE]: 'awatch',
};
