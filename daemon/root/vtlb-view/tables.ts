// The vTLB of a partition as a person can read it: its address spaces, its shadow page tables, and any one table with the guest's entries beside it.
// Reads shared memory while LPs change it, so nothing that is read is trusted: numbers are checked before they become addresses, chains are bounded.
import { PTE_XD_HIGH, Pte } from '../../../shared/layout/paging.js';
import { MAX_NODES, PartitionMap } from '../../../shared/layout/partition.js';
import type { Views } from '../../../shared/layout/struct.js';
import {
  goneOverBy,
  Role,
  SAS_MAX,
  Sas,
  Spt,
  SptState,
  STALE,
  sasAt,
  sptHeaderAt,
  sptOfEntry,
  sptPageAt,
  vtlbWord,
} from '../../../shared/layout/vtlb.js';
import type { PageWrites, SasInspect, SpteInspect, SptInspect, VtlbInspect } from '../../../shared/protocol/messages.js';
import type { MachineMemory } from '../machine-memory.js';
import { type GuestEntry, guestEntryOf, verdictOf } from './guest-entry.js';
import { pagesByWrites, writesTo } from './page-writes.js';
import { nothingAt, parseVtlbPath } from './path.js';

const ENTRIES = 512;

export const inspectVtlb = (views: Views, { header }: Pick<MachineMemory, 'header'>, path: string): VtlbInspect => {
  const what = parseVtlbPath(path);
  if (what.kind === 'vtlb') {
    return {
      kind: 'vtlb',
      generation: views.i32[vtlbWord('generation') >>> 2]!,
      tables: tablesByNode(views, header.nodeCount),
      pages: pagesByWrites(views),
      spaces: spaceNumbers(views).map((sas) => spaceOf(views, sas)),
    };
  }
  if (what.kind === 'sas') {
    if (!isSpace(views, what.number)) throw nothingAt(path, `no such shadow address space; there are ${listed(spaceNumbers(views))}`);
    return {
      kind: 'sas',
      space: spaceOf(views, what.number),
      tables: [rootOf(views, what.number), ...tablesOf(views, what.number)].map((spt) => tableOf(views, spt)),
    };
  }
  const count = sptCount(views);
  if (what.number < 1 || what.number >= count) throw nothingAt(path, `shadow page tables are numbered 1 to ${count - 1}`);
  if (stateOf(views, what.number) === SptState.FREE) throw nothingAt(path, 'the shadow page table is free');
  return tableInFull(views, what.number);
};

const sptCount = (views: Views): number => views.u32[vtlbWord('sptCount') >>> 2]!;
const word = (views: Views, spt: number, field: keyof typeof Spt): number => views.u32[(sptHeaderAt(spt) + Spt[field]) >>> 2]!;
const stateOf = (views: Views, spt: number): number => word(views, spt, 'state');
const listed = (numbers: readonly number[]): string => (numbers.length === 0 ? 'none' : numbers.join(', '));

const isSpace = (views: Views, sas: number): boolean =>
  sas < views.u32[vtlbWord('sasLimit') >>> 2]! && sas < SAS_MAX && views.i32[(sasAt(sas) + Sas.users) >>> 2]! >= 0;

const spaceNumbers = (views: Views): number[] => Array.from({ length: SAS_MAX }, (_, sas) => sas).filter((sas) => isSpace(views, sas));

const rootOf = (views: Views, sas: number): number => {
  const root = views.u32[(sasAt(sas) + Sas.root) >>> 2]!;
  return root < sptCount(views) ? root : 0;
};

/** The SPTs in a SAS's list, the root not among them. A list that an LP changes meanwhile may end early or run into another. */
const tablesOf = (views: Views, sas: number): number[] => {
  const tables: number[] = [];
  const count = sptCount(views);
  let spt = Atomics.load(views.i32, (sasAt(sas) + Sas.spts) >>> 2);
  while (spt > 0 && spt < count && tables.length < count) {
    tables.push(spt);
    spt = Atomics.load(views.i32, (sptHeaderAt(spt) + Spt.sasNext) >>> 2);
  }
  return tables;
};

const tablesByNode = (views: Views, nodes: number): { node: number; live: number; condemned: number; free: number }[] => {
  const rows = Array.from({ length: Math.min(nodes, MAX_NODES) }, (_, node) => ({ node, live: 0, condemned: 0, free: 0 }));
  for (let spt = 1; spt < sptCount(views); spt++) {
    const row = rows[word(views, spt, 'node')];
    if (row === undefined) continue;
    const state = stateOf(views, spt);
    if (state === SptState.LIVE) row.live++;
    else if (state === SptState.CONDEMNED) row.condemned++;
    else row.free++;
  }
  return rows;
};

/** By PagingMode. */
const MODES = ['paging off', '32-bit', 'PAE', '4-level'] as const;
const modeOf = (role: number): string => MODES[(role & Role.MODE) >>> Role.MODE_SHIFT]!;
const ROLE_BITS = { NXE: Role.NXE, WP: Role.WP, SMEP: Role.SMEP, SMAP: Role.SMAP, PSE: Role.PSE, PGE: Role.PGE } as const;
const bitsOf = (role: number): string[] =>
  Object.keys(ROLE_BITS).filter((name) => (role & ROLE_BITS[name as keyof typeof ROLE_BITS]) !== 0);

const spaceOf = (views: Views, sas: number): SasInspect => {
  const at = sasAt(sas) >>> 2;
  const { i32, u32 } = views;
  const role = u32[at + (Sas.role >> 2)]!;
  const tables = tablesOf(views, sas);
  const leaves = tables.filter((spt) => (word(views, spt, 'role') & Role.LEVEL) === 1);
  return {
    sas,
    level: (role & Role.LEVEL) === 0 ? 4 : role & Role.LEVEL,
    users: i32[at + (Sas.users >> 2)]!,
    mode: [modeOf(role), ...bitsOf(role)].join(' '),
    cr3: hex(u32[at + (Sas.cr3Hi >> 2)]! * 2 ** 32 + u32[at + (Sas.cr3Lo >> 2)]!),
    pcid: u32[at + (Sas.pcid >> 2)]!,
    stale: i32[at + (Sas.stale >> 2)]! !== 0,
    version: i32[at + (Sas.version >> 2)]!,
    nodes: nodesOf(views, sas),
    generation: i32[at + (Sas.generation >> 2)]!,
    root: u32[at + (Sas.root >> 2)]!,
    tables: tables.length + 1,
    translations: leaves.reduce((sum, spt) => sum + presentIn(views, spt), 0),
  };
};

/** Bits of the shared nodes that a space has linked. */
const nodesOf = (views: Views, sas: number): number[] =>
  Array.from({ length: SAS_MAX }, (_, node) => node).filter(
    (node) => (views.i32[(sasAt(sas) + Sas.nodes + (node >>> 5) * 4) >>> 2]! & (1 << (node & 31))) !== 0,
  );
/** Where a shared node stands in all its spaces; 0 for a space. */
const placeOfNode = (views: Views, sas: number): number => {
  const level = views.i32[(sasAt(sas) + Sas.role) >>> 2]! & Role.LEVEL;
  return level === 0 ? 0 : views.i32[(sasAt(sas) + Sas.pdpte) >>> 2]! * 2 ** (12 + 9 * level);
};

interface Place {
  /** Where its first entry stands in the address space. */
  readonly gva: number;
  readonly sas: number | null;
  readonly level: number;
  /** From the root down: SPT and the entry that leads on. */
  readonly way: readonly { spt: number; level: number; index: number }[];
}

/** Follows the parents' addresses up to a root. */
const placeOf = (views: Views, spt: number): Place => {
  const way: { spt: number; level: number; index: number }[] = [];
  const count = sptCount(views);
  const ownRole = word(views, spt, 'role');
  const level = ownRole & Role.LEVEL;
  let gva = 0;
  let above = level;
  for (let at = word(views, spt, 'parent'); at !== 0 && above < 4; ) {
    const parent = sptOfEntry(at);
    if (parent < 1 || parent >= count) break;
    above++;
    const index = (at & 0xff8) >>> 3;
    gva += index * 2 ** (3 + 9 * above);
    way.unshift({ spt: parent, level: above, index });
    at = word(views, parent, 'parent');
  }
  const sas = word(views, spt, 'sas');
  if (sas >= SAS_MAX) return { gva, sas: null, level, way };
  return { gva: gva + placeOfNode(views, sas), sas, level, way };
};

const tableOf = (views: Views, spt: number): SptInspect => {
  const { gva, sas, level } = placeOf(views, spt);
  const role = level === 4 && sas !== null ? views.u32[(sasAt(sas) + Sas.role) >>> 2]! | Role.ACCESS : word(views, spt, 'role');
  const shadows = sas !== null && (role & Role.DIRECT) === 0 && guestEntryOf(views, spt, level, sas, 0) !== null;
  const gptGfn = level === 4 && sas !== null ? views.u32[(sasAt(sas) + Sas.cr3Lo) >>> 2]! >>> 12 : word(views, spt, 'gptGfn');
  const access = `${(role & Role.W) !== 0 ? 'w' : '-'}${(role & Role.U) !== 0 ? 'u' : '-'}${(role & Role.X) !== 0 ? 'x' : '-'}`;
  return {
    spt,
    state: ['free', 'live', 'condemned'][stateOf(views, spt)] ?? 'unknown',
    sas,
    level,
    gva: canonical(gva),
    gptGfn: shadows ? hex(gptGfn) : null,
    role: [modeOf(role), access, (role & Role.DIRECT) !== 0 ? 'direct' : '', ...bitsOf(role)].filter((part) => part !== '').join(' '),
    node: word(views, spt, 'node'),
    generation: word(views, spt, 'generation'),
    present: presentIn(views, spt),
    stale: staleOf(word(views, spt, 'stale')),
    writes: shadows ? writesTo(views, gptGfn) : null,
  };
};

/** The word of a table: 0, STALE, or who goes over it. */
const staleOf = (value: number): boolean | number => (value <= STALE ? value === STALE : value - goneOverBy(0));

const tableWrites = (views: Views, spt: number): PageWrites | null =>
  (word(views, spt, 'role') & Role.DIRECT) !== 0 ? null : writesTo(views, word(views, spt, 'gptGfn'));

const tableInFull = (views: Views, spt: number): VtlbInspect => {
  const place = placeOf(views, spt);
  const entries: SpteInspect[] = [];
  for (let index = 0; index < ENTRIES; index++) {
    const entry = entryOf(views, spt, place.level, place.sas, place.gva, index);
    if (entry !== null) entries.push(entry);
  }
  let gva = place.sas === null ? 0 : placeOfNode(views, place.sas);
  const way = place.way.flatMap(({ spt: above, level, index }) => {
    const entry = entryOf(views, above, level, place.sas, gva, index);
    gva += index * 2 ** (3 + 9 * level);
    return entry === null ? [] : [{ ...entry, spt: above, level }];
  });
  return { kind: 'spt', table: tableOf(views, spt), way, entries };
};

const presentIn = (views: Views, spt: number): number => {
  let present = 0;
  for (let index = 0; index < ENTRIES; index++) if ((views.i32[(sptPageAt(spt) + index * 8) >>> 2]! & Pte.P) !== 0) present++;
  return present;
};

/** Null when the shadow entry is not present. */
const entryOf = (views: Views, spt: number, level: number, sas: number | null, tableGva: number, index: number): SpteInspect | null => {
  const at = sptPageAt(spt) + index * 8;
  const low = Atomics.load(views.i32, at >>> 2);
  const high = Atomics.load(views.i32, (at >>> 2) + 1);
  if ((low & Pte.P) === 0) return null;
  const guest = sas === null ? null : guestEntryOf(views, spt, level, sas, index);
  const below = level > 1 ? sptOfEntry(low) : 0;
  const whole = below === 0 || below < sptCount(views);
  return {
    index,
    gva: canonical(tableGva + index * 2 ** (3 + 9 * level)),
    shadow: level > 1 ? `SPT ${below}` : `${hex((low >>> 12) - (PartitionMap.RAM >>> 12))} ${flags(low, high)}`,
    guest: guest === null ? null : guestText(guest),
    verdict: guest === null || !whole ? null : verdictOf(views, level, word(views, spt, 'role'), low, high, guest),
    writes: level === 1 ? writesTo(views, (low >>> 12) - (PartitionMap.RAM >>> 12)) : whole ? tableWrites(views, below) : null,
  };
};

const guestText = ({ low, high, wide }: GuestEntry): string =>
  (low & Pte.P) === 0 ? 'not present' : `${hex((wide ? (high & 0xf_ffff) * 2 ** 20 : 0) + (low >>> 12))} ${flags(low, high)}`;

const FLAGS = [
  ['w', Pte.W],
  ['u', Pte.U],
  ['a', Pte.A],
  ['d', Pte.D],
  ['s', Pte.PS],
  ['g', Pte.G],
] as const;
const flags = (low: number, high: number): string =>
  `${FLAGS.map(([letter, bit]) => ((low & bit) !== 0 ? letter : '-')).join('')}${(high & PTE_XD_HIGH) === 0 ? 'x' : '-'}`;

const hex = (value: number): string => `0x${value.toString(16)}`;
/** Sign-extended from bit 47, as addresses are written. */
const canonical = (gva: number): string =>
  `0x${BigInt.asUintN(64, BigInt.asIntN(48, BigInt(gva)))
    .toString(16)
    .padStart(16, '0')}`;
