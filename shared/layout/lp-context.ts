// What one LP keeps inside each partition's memory: its hardware TLB, its jump cache and its micro-op arena.
// Why there and not in machine memory: WebAssembly code of a partition sees only that partition's memory. Private to the LP but for `kick`, `flush*`, `inGuest`.
//
//   TLB entry, 32 bytes:   +0 readTag u64   +8 writeTag u64   +16 addend i32   +20 gfn u32   +24 flags u32
//     a tag is GVA & ~0xfff (all ones = empty); host address = low 32 bits of GVA + addend.
//   Recent page, 16 bytes, after each TLB half: +0 tag u64   +8 addend i32, as in the TLB. Reads and writes have entries of their own.
//   Jump cache entry, 16 bytes:  +0 tag u64 (RIP bits 47:0 | mode id << 48)   +8 code i32 (< 0: ~table index of a unit; > 0: address of micro-ops)
import { ANSWER_ENTRIES, ANSWER_SIZE } from './cpuid-answer.js';
import { accessor, block, i32, struct, u32, u64 } from './struct.js';

export const TLB_ENTRIES = 1024;
export const TLB_ENTRY_SIZE = 32;
export const TlbEntry = { READ_TAG: 0, WRITE_TAG: 8, ADDEND: 16, GFN: 20, FLAGS: 24 } as const;
/** Bits of an entry's flags word. */
export const TlbFlag = {
  GLOBAL: 1,
  /** It would have a write tag if the page were not watched: whoever looks at the watch himself may write. */
  WATCHED: 2,
} as const;
/** Supervisor table, then user table: the half is chosen by CPL when guest code is entered. */
export const TLB_MODES = 2;
/** Address spaces whose translations the TLB holds at once, each in a bank of its own (as a processor tags them with an ASID or a PCID): tags in the inline table are addresses only. */
export const TLB_BANKS = 8;
/** Pages that single accesses of compiled units hit last: filled by those units from the TLB, emptied with it. */
export const RECENT_READS = 16;
export const RECENT_WRITES = 8;
export const RECENT_ENTRY_SIZE = 16;
export const RecentPage = { TAG: 0, ADDEND: 8 } as const;
const TLB_TAGS_SIZE = TLB_ENTRIES * TLB_ENTRY_SIZE;
export const TLB_MODE_SIZE: number = TLB_TAGS_SIZE + (RECENT_READS + RECENT_WRITES) * RECENT_ENTRY_SIZE;
/** Of an entry, from the start of its TLB half. */
export const recentOffset = (write: boolean, entry: number): number =>
  TLB_TAGS_SIZE + (entry + (write ? RECENT_READS : 0)) * RECENT_ENTRY_SIZE;
export const TLB_BANK_SIZE: number = TLB_MODES * TLB_MODE_SIZE;
/** Entries of a bank that are remembered since its last flush (mode << 10 | index, u16 each); beyond that a flush clears the whole bank. */
export const TLB_LOG_MAX = 512;
/** Of the hash by which a bank knows the pages that something found by address depends on (machine/jump-cache). */
export const CODE_PAGE_HASHES = 4096;
export const JUMP_ENTRIES = 65536;
export const JUMP_ENTRY_SIZE = 16;
/** Fibonacci hashing of RIP's low half: blocks lie at regular distances, which plain low bits would make collide. Index = product >>> JUMP_SHIFT. */
export const JUMP_MULTIPLIER = 0x9e37_79b1 | 0;
export const JUMP_SHIFT: number = 32 - Math.log2(JUMP_ENTRIES);
/** Guest code goes on while its budget is not less than the kick word: one comparison for both. */
export const KICKED = 0x7fff_ffff;
export const ARENA_SIZE = 0xa0_0000;

/** What an LP's translated code takes, by number in `codeCounts`. All but `drops` are of what is held now. */
export const CODE_COUNTS = [
  /** Translated blocks, and the bytes of guest code that they were made from. */
  'blocks',
  'guestBytes',
  /** Headers and records in the arena. */
  'recordBytes',
  /** What the LP keeps of each block and unit beside them, estimated. */
  'metadataBytes',
  /** Compiled units, and their WebAssembly. */
  'units',
  'unitBytes',
  /** What V8 makes of that, estimated. */
  'machineBytes',
  /** How often all of it was given up for want of room. */
  'drops',
] as const;
export type CodeCount = (typeof CODE_COUNTS)[number];

/** Entries of the TLB's part for devices, for each privilege (a power of two: the pages of the local and the I/O APIC fall on different ones). */
export const DEVICE_ENTRIES = 8;
/** LINEAR, PHYSICAL: first byte of the page, f64. WRITTEN: u32, 1 when a write has filled it. */
export const DEVICE_ENTRY_SIZE = 24;
export const DeviceEntry = { LINEAR: 0, PHYSICAL: 8, WRITTEN: 16 } as const;

/** Entries of the table of address spaces that MOV CR3 may load without TypeScript (a power of two). */
export const SWITCH_ENTRIES = 16;
/** CR3 by halves as it is kept; SWITCH_EPOCH of the context when the entry was made, another one: it does not hold; the SAS, its name, its bank of the TLB. */
export const SWITCH_SIZE = 24;
export const SpaceSwitch = { LOW: 0, HIGH: 4, EPOCH: 8, SAS: 12, NAME: 16, BANK: 20 } as const;

/** Entries of that table where no hypervisor is beneath, by how linear addresses are translated. */
export const RootSpace = { UNPAGED: 0, LEGACY: 1, LONG: 2 } as const;

/** Intercepts that shortcuts deal with: an access to a register of the local APIC's page, a byte at a port, MOV CR3, a page fault that is a fill, INVLPG. */
export const SHORTCUT_EXITS = ['apicPage', 'port', 'crAccess', 'fill', 'invlpg'] as const;
export type ShortcutExit = (typeof SHORTCUT_EXITS)[number];

/** Bits of `shortcuts`: what the processor does by itself, and what the hypervisor beneath it is asked for (intercepts). */
export const Shortcut = { OWN: 1, INTERCEPTS: 2 } as const;

/** Of `waitWindow` and `waitEnd`: no wait is that long. */
export const NO_WAIT = 0x4000_0000;

/** Bits of `walkRights`. */
export const WALK_SMEP = 1;
export const WALK_SMAP = 2;

export const LpContextLayout = struct('LpContext', {
  /** 0, or KICKED: leave guest code at the next loop head. Any thread may set it (Atomics.store, then notify); only the LP clears it. */
  kick: i32,
  /** 1 while this LP may touch guest memory through its hardware TLB (seq-cst store before entry, 0 after leaving). */
  inGuest: i32,
  /** L0 flush handshake: a requester adds 1 to flushRequest, the LP copies it to flushAck after it has flushed. Equal = quiescent. */
  flushRequest: i32,
  flushAck: i32,
  /** Cycles left before guest code is left (signed; counts down by instructions). */
  budget: i32,
  /** The LP's clock when the budget of the run is used up: what is left of it, and what of it is put aside, below that is the clock of now. */
  clockEnd: u64,
  aside: i32,
  /** Address of the TLB half in use, in the bank of the address space in use. */
  tlb: u32,
  /** Mode id << 48, exclusively or-ed to the RIPs of the jump cache's valid entries. */
  jumpTag: u64,
  /** CODE_COUNTS, u32 each: written by the LP, read by root. */
  codeCounts: block(8 * 4, 4),
  /** Record of the `count` micro-op that was executed last; only where instructions are counted. */
  counted: u32,
  /** Shortcuts: which of the slow half's instructions may take theirs (daemon/shortcuts); none while single instructions are watched. */
  shortcuts: u32,
  /** 1: no hypervisor is beneath the code that runs: mode registers are its own (daemon/shortcuts/root). */
  root: u32,
  /** 1: the VP is to leave guest code when its critical section ends (hypervisor/spin): what may end one goes the long way. */
  sectionEnds: u32,
  /** Intercepts by SHORTCUT_EXITS that shortcuts have dealt with since the machine counted them last, u32 each, and what they have charged in all; what each is charged. */
  exits: block(SHORTCUT_EXITS.length * 4, 4),
  charged: i32,
  exitCycles: block(SHORTCUT_EXITS.length * 4, 4),
  /** The part of the TLB for devices (machine/device-tlb). */
  devices: block(2 * DEVICE_ENTRIES * DEVICE_ENTRY_SIZE, 8),
  /** Kept answers of CPUID (layout/cpuid-answer): those of this version hold, each costs so many cycles, so many were given by translated code. */
  answersVersion: i32,
  answerCycles: i32,
  answersGiven: i32,
  answers: block(ANSWER_ENTRIES * ANSWER_SIZE, 32),
  /** This LP's number. */
  lp: u32,
  /** Bank of the TLB that is in use; for each bank, how many entries were made since its last flush, and the first TLB_LOG_MAX of them. */
  bank: u32,
  bankLogged: block(TLB_BANKS * 4, 4),
  bankLogs: block(TLB_BANKS * TLB_LOG_MAX * 2, 4),
  /** A byte for each hash of a page, for each bank: 1, something that is found by address depends on such a page. */
  codePages: block(TLB_BANKS * CODE_PAGE_HASHES, 4),
  /** 1: the part for devices has an entry. */
  devicesUsed: u32,
  /** What the LP's walker walks (0: nothing) and under which rights: WALK_SMEP, WALK_SMAP. */
  walkRoot: u32,
  walkRights: u32,
  /** 1: the shortcuts may walk, fill and invalidate (vtlb/loaded-space says when); and what that costs in virtual time (vtlb/virtual-costs). */
  shortFills: i32,
  walkCycles: i32,
  fillCycles: i32,
  counterReadCycles: i32,
  /** SAS that is loaded, -1 none; and for each bank the version of its SAS with which it is in step. */
  sas: i32,
  bankVersions: block(TLB_BANKS * 4, 4),
  /** The vTLB's `cuts` when the hardware TLB was last known to hold no page that INVLPG would not find whole. */
  cuts: i32,
  /** For each bank the name of its SAS, -1 none; when it was last taken up, by a clock of its own; and the mode id under which code is found in it, 0 none yet. */
  bankSpaces: block(TLB_BANKS * 4, 4),
  bankUses: block(TLB_BANKS * 4, 4),
  bankClock: u32,
  bankModeIds: block(TLB_BANKS * 4, 4),
  /** Address spaces that may be loaded without TypeScript; see hypervisor/vtlb/space-switches. */
  switchEpoch: i32,
  switchAge: i32,
  switches: block(SWITCH_ENTRIES * SWITCH_SIZE, 8),
  /** Cycles for which a loop that only waits may go on before guest code is left (NO_WAIT: as long as it likes); and what the budget is then, for the loop at hand. */
  waitWindow: i32,
  waitEnd: i32,
  _pad: block(64),
  jump: block(JUMP_ENTRIES * JUMP_ENTRY_SIZE, 64),
  tlbs: block(TLB_BANKS * TLB_BANK_SIZE, 64),
  arena: block(ARENA_SIZE, 64),
  /** A TLB half that is always empty: used while every access must be looked at (breakpoints). */
  noTlb: block(TLB_MODE_SIZE, 64),
});
export const LpContext = accessor(LpContextLayout);
export type LpContext = InstanceType<typeof LpContext>;
