// The vTLB arena of a partition: every word that LPs share about shadow page tables (SPTs) and shadow address spaces (SASes).
// Why all of it here: any LP may fill, invalidate or reclaim any SPT of the partition; no LP keeps vTLB state of its own that another could need.
//
//   VTLB + 0x0000_0000  header, counters of each LP
//        + 0x0001_0000  SAS table            128 x 128 bytes
//        + 0x0002_0000  mapping records      8 bytes each: a shadow entry through which a guest page may be written
//        + 0x0010_0000  gptIndex[gfn]        u32: first SPT that shadows the guest page, chained by `gptNext`
//        + 0x0050_0000  mappings[gfn]        u32: first record of the guest page (write tracking)
//        + 0x0090_0000  track[gfn]           i32: what is known of writes to the guest page (TrackState)
//        + 0x00d0_0000  SPT headers          64 bytes each
//        + 0x00f0_0000  SPT pages            512 SPTEs each, SPT number i at + i * 4096
//
// An SPTE has the x86-64 format (paging.ts). SPAs are below 4 GiB, so its high half holds nothing but XD: not-present entries are known by the low half alone.
// SPT 0 is never used: 0 ends every chain.
import { MAX_LPS, MAX_NODES, MAX_VPS, PartitionMap } from './partition.js';
import { block, i32, struct, u32 } from './struct.js';

export const SAS_MAX = 128;
export const SAS_SIZE = 128;
/** Names of SASes have 31 bits. */
export const SAS_NAMES = 0x7fff_ffff;
/** Name of the SAS that is in an entry of the table: no other has had it there, but for one millions of others ago. */
export const spaceName = (serial: number, sas: number): number => (Math.imul(serial, SAS_MAX) + sas) & SAS_NAMES;
export const SPT_HEADER_SIZE = 64;
export const SAS_TABLE = PartitionMap.VTLB + 0x1_0000;
export const GPT_INDEX = PartitionMap.VTLB + 0x10_0000;
export const MAPPING_RECORDS = PartitionMap.VTLB + 0x2_0000;
export const MAPPING_HEADS = PartitionMap.VTLB + 0x50_0000;
export const TRACK_STATES = PartitionMap.VTLB + 0x90_0000;
export const SPT_HEADERS = PartitionMap.VTLB + 0xd0_0000;
export const SPT_PAGES = PartitionMap.VTLB + 0xf0_0000;
/** Most SPTs that the arena holds, SPT 0 included. */
export const SPTS_MAX = (PartitionMap.VTLB_END - SPT_PAGES) / 4096;

export const sasAt = (sas: number): number => SAS_TABLE + sas * SAS_SIZE;
export const gptIndexAt = (gfn: number): number => GPT_INDEX + gfn * 4;
/** Records of writable mappings; number 0 ends every chain. */
export const MAPPING_RECORDS_MAX = (GPT_INDEX - MAPPING_RECORDS) / 8;
export const mappingRecordAt = (record: number): number => MAPPING_RECORDS + record * 8;
export const mappingsAt = (gfn: number): number => MAPPING_HEADS + gfn * 4;
export const trackAt = (gfn: number): number => TRACK_STATES + gfn * 4;
export const sptHeaderAt = (spt: number): number => SPT_HEADERS + spt * SPT_HEADER_SIZE;
export const sptPageAt = (spt: number): number => SPT_PAGES + spt * 4096;
/** Byte address of the entry for a linear address in an SPT of a level. */
export const slotAt = (spt: number, level: number, gva: number): number => {
  const low = gva | 0;
  const high = Math.floor(gva / 4294967296) | 0;
  return (
    sptPageAt(spt) + ((level === 4 ? high >>> 4 : level === 3 ? (high << 5) | (low >>> 27) : level === 2 ? low >>> 18 : low >>> 9) & 0xff8)
  );
};
/** Number of the SPT whose page a non-leaf SPTE (its low half) points to. */
export const sptOfEntry = (low: number): number => ((low & -4096) - SPT_PAGES) >>> 12;

/** What a freed SPT is filled with: not present, and never the expected value of a compare-and-swap that installs. */
export const POISON_LOW = 0x5afe_dea0 | 0;
export const POISON_HIGH = 0x0bad_5b70 | 0;

/** Which protocol orders fills and invalidations; changed only as fill-lock.ts says. */
export const LockMode = { GENERATION: 0, GLOBAL: 1, FINE: 2 } as const;

/** How writes to guest page tables are found, as it is in force: `vtlb.track`, or OFF while `vtlb.tags` is 1 and nothing outlives a MOV CR3. */
export const TrackMode = { OFF: 0, MAPPING: 1, RMAP: 2, WRITE: 3 } as const;

/**
 * What is known of writes to a guest page (US20080215848A1); tracking.ts has the transitions.
 *   NONE         U: no page table
 *   UNTRACKED    N: a page table; writable mappings made before that may exist
 *   TRACKED      T: a page table; no mapping lets anybody write it, what was made from it is what it says
 *   DIRTY        D: a page table that may be written by mappings that are known; what was made from it may be stale
 *   CLOSING      on the way from D to T: its writable mappings are being taken away
 */
export const TrackState = { NONE: 0, UNTRACKED: 1, TRACKED: 2, DIRTY: 3, CLOSING: 4 } as const;
/** The word of a page that an LP closes names the LP: who finds it at the end knows that nobody else has closed the page in between. */
export const closingBy = (lp: number): number => TrackState.CLOSING | (lp << 8);
export const trackStateOf = (word: number): number => word & 0xff;

/** Names of the counters, index = number. One column of u32 a LP, so that counting shares no cache line. */
export const VTLB_COUNTERS = [
  'fills',
  'fillRetries',
  'casLost',
  'guestFaults',
  'mmioFaults',
  'oneTimeTranslations',
  'pendingFillWaits',
  'pendingFillWaitUs',
  'invalidations',
  'purges',
  'purgedEntries',
  'wholeFlushes',
  'addressSpaceSwitches',
  'sasCreated',
  'sasEvicted',
  'sptAllocated',
  'sptFreed',
  'sptRelinked',
  'reclaims',
  'reclaimVictims',
  'globalLockTaken',
  'globalLockWaits',
  'lockModeChanges',
  'nodesMade',
  'nodeLinks',
  'nodeLinksCut',
  'protectShootdowns',
  'walks',
  'remoteWalks',
  'sptLockWaits',
  'spacesRenewed',
  'flushWalks',
  'accessedSet',
  'dirtySet',
  'flushHandshakes',
  'tagHits',
  'tagMisses',
  'pageTableWriteIntercepts',
  'staleMarks',
  'validations',
  'staleEntriesPurged',
  'tablesProtected',
  'tablesDiscovered',
  'untrackedPurges',
  'trackModeChanges',
  'coalescePasses',
  'tablesCoalesced',
  'entriesCoalesced',
  'lockQueueCycles',
  'fillWaitCycles',
  'flushesSaved',
  'tablesUnshadowed',
  'serializingWaits',
  'serializingWaitUs',
  'serializingWaitCycles',
] as const;
export type VtlbCounter = (typeof VTLB_COUNTERS)[number];
export const COUNTERS_PER_LP = 64;
export const FILL_WAIT_BUCKETS = 16;
/** Entries of the diary of busy locks and fills, a power of two. */
export const DIARY_ENTRIES = 4096;
/** An entry's second word is what is busy << DIARY_LP_BITS | LP + 1. Owners are spread over the entries by the golden ratio (D. Knuth, TAOCP 3, 6.4). */
export const DIARY_LP_BITS = 7;
export const DIARY_SPREAD = 0x9e37_79b1;
/** What is busy: the lock of a table (0 and up), a table that is filled, the one lock, an LP that fills. */
export const passing = (spt: number): number => spt;
export const filling = (spt: number): number => SPTS_MAX + spt;
export const GLOBAL_LOCK: number = 2 * SPTS_MAX;
export const fillsOfLp = (lp: number): number => GLOBAL_LOCK + 1 + lp;

export const VtlbLayout = struct(
  'VtlbHeader',
  {
    /** Generation of the whole vTLB: a SAS of another generation is empty, whatever its SPTs hold. What every fill reads is on a line that hardly anybody writes. */
    generation: i32,
    /** LockMode in force. */
    lockMode: i32,
    /** SPTs in the pool, SPT 0 included. */
    sptCount: u32,
    /** SASes from this number on have never been used. Written under the structure lock, before a SAS is first loaded. */
    sasLimit: i32,
    /** TrackMode in force. */
    trackMode: i32,
    /** Counts what was taken from trees with large pages below it, perhaps: hardware TLBs may hold more of such a page than its INVLPG would find. Raised before. */
    cuts: i32,
    _pad0: block(40, 4),
    /** Counts operations that stamp `lastUse`. */
    tick: i32,
    /** Guest page tables that are UNTRACKED; and how often one was met, found or gone over again, since all mappings were last purged. */
    untracked: i32,
    untrackedVisits: i32,
    /** The next free record of a writable mapping. */
    mappingNext: i32,
    /** SPTs that are not free. */
    sptsInUse: i32,
    /** Tables that fills have linked since they were last looked through for equal ones. */
    tablesMade: i32,
    _pad1: block(40, 4),
    /** Futex of `vtlb.lock=global`: 0 free, 1 held, 2 held with waiters. */
    globalLock: i32,
    _pad2: block(60, 4),
    /** Futex of whoever makes or evicts SASes or reclaims SPTs (never taken on the fill path): 0, 1, 2. */
    structureLock: i32,
    /** Top of the stack of condemned SPTs, chained by `next`, and how many there are. */
    condemned: i32,
    condemnedCount: i32,
    clockHand: u32,
    _pad3: block(48, 4),
    /** Free SPTs of each node: stack top (SPT u32, version u32: no ABA), 8 bytes; then their number, i32. */
    freeTop: block(MAX_NODES * 8, 64),
    freeCount: block(MAX_NODES * 4, 64),
    /** CTR[p]: i32 for each LP, on a cache line of its own; odd while the LP is inside a fill (US7788464B2). */
    generations: block(MAX_LPS * 64, 64),
    /** Each VP's last place and address space: see VtlbVpLayout. */
    vps: block(MAX_VPS * 32, 64),
    counters: block(MAX_LPS * COUNTERS_PER_LP * 4, 64),
    /** How long invalidations of each LP waited for pending fills: bucket i counts waits of 2^(i-1) to 2^i microseconds, the last one all longer ones. */
    fillWaits: block(MAX_LPS * FILL_WAIT_BUCKETS * 4, 64),
    /** What each LP's hardware TLB is in step with, 64 bytes an LP: see VtlbLpLayout. */
    lps: block(MAX_LPS * 64, 64),
    /** When locks and fills are busy in virtual time (vtlb/busy-diary.ts). */
    diary: block(DIARY_ENTRIES * 8, 64),
  },
  SAS_TABLE - PartitionMap.VTLB,
);
export const vtlbWord = (
  name:
    | 'generation'
    | 'lockMode'
    | 'sptCount'
    | 'tick'
    | 'sasLimit'
    | 'trackMode'
    | 'cuts'
    | 'untracked'
    | 'untrackedVisits'
    | 'mappingNext'
    | 'sptsInUse'
    | 'tablesMade'
    | 'globalLock'
    | 'structureLock'
    | 'condemned'
    | 'condemnedCount'
    | 'clockHand',
): number => PartitionMap.VTLB + VtlbLayout.at[name];
export const generationAt = (lp: number): number => PartitionMap.VTLB + VtlbLayout.at.generations + lp * 64;
export const freeTopAt = (node: number): number => PartitionMap.VTLB + VtlbLayout.at.freeTop + node * 8;
export const freeCountAt = (node: number): number => PartitionMap.VTLB + VtlbLayout.at.freeCount + node * 4;
export const vtlbCountersAt = (lp: number): number => PartitionMap.VTLB + VtlbLayout.at.counters + lp * COUNTERS_PER_LP * 4;

export const vtlbLpAt = (lp: number): number => PartitionMap.VTLB + VtlbLayout.at.lps + lp * VtlbLpLayout.size;
export const DIARY = PartitionMap.VTLB + VtlbLayout.at.diary;
export const fillWaitsAt = (lp: number): number => PartitionMap.VTLB + VtlbLayout.at.fillWaits + lp * FILL_WAIT_BUCKETS * 4;

/** The flush epoch of an LP's hardware TLB (vtlb/flush-epochs.ts). Written by the LP. */
export const VtlbLpLayout = struct(
  'VtlbLp',
  { /** SAS + 1 that it uses; 0 none; UNSETTLED. */ space: i32, /** Version of the SAS that its TLB is in step with. */ version: i32 },
  64,
);
/** `space` of an LP of whose TLB nothing is promised. */
export const UNSETTLED = -1;

/** What the vTLB remembers of a VP between its stays on LPs. Written by the LP that runs it. */
export const VtlbVpLayout = struct(
  'VtlbVp',
  { /** LP + 1, 0 none. */ lastLp: u32, role: u32, cr3Lo: u32, cr3Hi: u32, /** Name of its SAS. */ space: u32 },
  32,
);
export const vtlbVpAt = (vp: number): number => PartitionMap.VTLB + VtlbLayout.at.vps + vp * VtlbVpLayout.size;

/** Shadow address space: the tree of SPTs for one (CR3, PDPTEs, role); or, its role with a level, a shared node (sharing.ts). */
export const SasLayout = struct(
  'Sas',
  {
    /** LPs that have it loaded; -1: the entry is free or being evicted. */
    users: i32,
    /** vTLB generation for which its entries are good. */
    generation: i32,
    /** Root SPT. */
    root: u32,
    role: u32,
    cr3Lo: u32,
    cr3Hi: u32,
    /** First of its SPTs, chained by `sasNext`; the root is not among them. */
    spts: i32,
    lastUse: i32,
    pdpte: block(32, 8),
    /** Counts the SASes that have had this entry of the table. */
    serial: u32,
    /** PCID of CR3 with CR4.PCIDE. */
    pcid: u32,
    /** 1: some SPT of it is `stale`. Set after the SPT's. */
    stale: i32,
    /** Added to after entries were taken away or changed: hardware TLBs filled from it before may hold what it no longer has. */
    version: i32,
    /** Who may load it: 0 all VPs, VP + 1 (`vtlb.pervp=on`), or the LPs of a node (`vtlb.numa=instance`, see numa.ts). */
    owner: u32,
    /** Bit set of the shared nodes that it has linked, by their numbers in this table (sharing.ts). */
    nodes: block(SAS_MAX / 8),
  },
  SAS_SIZE,
);

/** FREE: in the pool, poisoned. LIVE: linked, or about to be by its maker. CONDEMNED: unlinked, waiting to be freed. */
export const SptState = { FREE: 0, LIVE: 1, CONDEMNED: 2 } as const;
export const SptLayout = struct(
  'SptHeader',
  {
    /** Guest page-table page that it shadows; for a direct SPT the first frame that it maps. */
    gptGfn: u32,
    /** Everything else that gives its SPTEs their meaning: see Role. */
    role: u32,
    state: i32,
    /** vTLB generation in which it was made. */
    generation: i32,
    /** Byte address of the one SPTE that points to it; 0 for a root. */
    parent: u32,
    sas: u32,
    node: u32,
    /** Bit 0, for the choice of victims: 1 since a fill used it, 0 since the clock hand passed. The rest: vtlb/write-floods.ts. */
    lastUse: i32,
    /** While nothing is tracked: 0, nothing but global entries; FILLED, an entry that is not may be there; or goneOverBy(lp), who purges it. */
    unpurged: i32,
    sasNext: i32,
    gptNext: i32,
    /** Chain of the free or the condemned stack. */
    next: i32,
    /** STALE: the guest's table may have been written since its entries were made; they are gone over before the SAS is used after a flush. Or goneOverBy(lp). */
    stale: i32,
    /** 1: an LP is in the table (`vtlb.lock=fine`). */
    lock: i32,
  },
  SPT_HEADER_SIZE,
);
/** `stale` and `unpurged` of an SPT; the other values name the LP that is going over it. */
export const STALE = 1;
export const FILLED = 1;
export const goneOverBy = (lp: number): number => 2 + lp;
export const Sas = SasLayout.at;
export const Spt = SptLayout.at;

/**
 * Role of an SPT (SASes use the part from bit 10 on).
 *   2..0 level   3 direct   5..4 quadrant   8..6 access = AND of the parents' (W 6, U 7, X 8)   11..10 mode   12 PSE   13 NXE   14 WP   15 SMEP   16 SMAP   17 PGE
 */
export const Role = {
  LEVEL: 7,
  DIRECT: 8,
  QUADRANT_SHIFT: 4,
  W: 0x40,
  U: 0x80,
  X: 0x100,
  ACCESS: 0x1c0,
  MODE_SHIFT: 10,
  MODE: 0xc00,
  PSE: 0x1000,
  NXE: 0x2000,
  WP: 0x4000,
  SMEP: 0x8000,
  SMAP: 0x1_0000,
  PGE: 0x2_0000,
  SAS: 0x3_fc00,
} as const;
/** Paging mode of a role: paging off, 32-bit, PAE, 4-level (SDM 3A 4.1.1). */
export const PagingMode = { NONE: 0, LEGACY: 1, PAE: 2, LONG: 3 } as const;
