// The table of shadow address spaces: finds, makes and evicts SASes by tag (CR3, PCID, PDPTEs, role).
// Why a user count: an LP has a SAS loaded as its CR3; only one that no LP has loaded may be evicted, and that is decided by one compare-and-swap.
import { assert } from '../../../shared/kit/assert.js';
import { MAX_LPS, PartitionLayout } from '../../../shared/layout/partition.js';
import type { Views } from '../../../shared/layout/struct.js';
import { PagingMode, Role, SAS_MAX, Sas, Spt, sasAt, spaceName, sptHeaderAt, vtlbWord } from '../../../shared/layout/vtlb.js';
import type { FlushHandshake } from '../../machine/flush-handshake.js';
import { FutexLock } from '../../machine/futex-lock.js';
import type { SharedWords } from '../../machine/shared-words.js';
import { rootTable } from './bus.js';
import { Counter, type VtlbCounting } from './counters.js';
import { hasNodes } from './node-links.js';
import type { Numa } from './numa.js';
import type { Reclaim } from './reclaim.js';
import type { SpaceKey } from './role.js';
import type { SptPool } from './spt-pool.js';
import type { Tracking } from './tracking.js';

/** SASes that this LP found last, by a hash of their keys. */
const HINTS = 64;
/** Nodes of spaces that are loaded stay: with these, and one space for each LP, there is an entry of the table left. */
const NODES_MAX = SAS_MAX - MAX_LPS - 1;

export class AddressSpaces {
  readonly #views: Views;
  readonly #words: SharedWords;
  readonly #pool: SptPool;
  readonly #reclaim: Reclaim;
  readonly #handshake: FlushHandshake;
  readonly #counting: VtlbCounting;
  readonly #numa: Numa;
  readonly #tracking: Tracking;
  readonly #structure: FutexLock;
  readonly #hints = new Uint8Array(HINTS);
  /** After `acquire`: the SAS was made just now. */
  made = false;

  constructor(
    views: Views,
    words: SharedWords,
    pool: SptPool,
    reclaim: Reclaim,
    handshake: FlushHandshake,
    numa: Numa,
    tracking: Tracking,
    counting: VtlbCounting,
  ) {
    this.#views = views;
    this.#words = words;
    this.#pool = pool;
    this.#reclaim = reclaim;
    this.#handshake = handshake;
    this.#numa = numa;
    this.#tracking = tracking;
    this.#counting = counting;
    this.#structure = new FutexLock(words, vtlbWord('structureLock'));
  }

  /** The SAS for a key, loaded by one LP more. Makes it when there is none. Outside any fill. */
  acquire(key: SpaceKey): number {
    const hint = ((key.cr3Lo >>> 12) ^ (key.cr3Lo >>> 18) ^ key.pcid ^ (key.role >>> 12)) & (HINTS - 1);
    this.made = false;
    if (this.#take(this.#hints[hint], key)) return this.#hints[hint];
    const found = this.#find(key);
    const sas = found >= 0 ? found : this.#make(key);
    this.#hints[hint] = sas;
    return sas;
  }

  /** A number that no other SAS has had in this table: see spaceName. */
  nameOf(sas: number): number {
    return spaceName(this.#views.u32[(sasAt(sas) + Sas.serial) >>> 2], sas);
  }

  /** Whether the SAS is among the `tags` that were used last: another's translations are forgotten. Before it is released again. */
  isRecent(sas: number, tags: number): boolean {
    const { i32 } = this.#views;
    // Another LP has it loaded, too.
    if (i32[(sasAt(sas) + Sas.users) >>> 2] > 1) return true;
    const last = i32[(sasAt(sas) + Sas.lastUse) >>> 2];
    const age = (this.#words.load(vtlbWord('tick')) - last) | 0;
    // Each release is of one SAS: no more than that many can have been used since, beside those that are loaded.
    if (age + this.#handshake.lps() <= tags) return true;
    let newer = 0;
    const limit = this.#words.load(vtlbWord('sasLimit'));
    for (let other = 0; other < limit; other++) {
      const at = sasAt(other) >>> 2;
      const users = i32[at + (Sas.users >> 2)];
      // What is shared is no address space.
      if (other === sas || users < 0 || (i32[at + (Sas.role >> 2)] & Role.LEVEL) !== 0) continue;
      if (users > 0 || ((i32[at + (Sas.lastUse >> 2)] - last) | 0) > 0) newer++;
    }
    return newer < tags;
  }

  /** This LP's walker no longer uses the SAS. */
  release(sas: number): void {
    this.#words.store(sasAt(sas) + Sas.lastUse, this.#words.add(vtlbWord('tick'), 1) + 1);
    this.#words.add(sasAt(sas) + Sas.users, -1);
  }

  /** Runs a reclaim: the pool was found empty. */
  reclaim(): void {
    this.exclusively(() => this.#reclaim.run());
  }

  #find(key: SpaceKey): number {
    const limit = this.#words.load(vtlbWord('sasLimit'));
    for (let sas = 0; sas < limit; sas++) if (this.#take(sas, key)) return sas;
    return -1;
  }
  /** Loads the SAS if it has the key. */
  #take(sas: number, key: SpaceKey): boolean {
    if (!this.#matches(sas, key)) return false;
    const at = sasAt(sas) + Sas.users;
    for (let users = this.#words.load(at); users >= 0; ) {
      const seen = this.#words.compareExchange(at, users, users + 1);
      if (seen !== users) {
        users = seen;
        continue;
      }
      // The entry may have been evicted and refilled for another key since it was compared; now it stays.
      if (this.stillMatches(sas, key)) return true;
      this.#words.add(at, -1);
      break;
    }
    return false;
  }

  protected stillMatches(sas: number, key: SpaceKey): boolean {
    return this.#matches(sas, key);
  }

  /** One of an older generation is as if it were not there. */
  protected generationMatches(sas: number): boolean {
    return this.#views.i32[(sasAt(sas) + Sas.generation) >>> 2] === this.#words.read(vtlbWord('generation'));
  }

  #matches(sas: number, key: SpaceKey): boolean {
    const { i32 } = this.#views;
    const at = sasAt(sas) >>> 2;
    if (i32[at + (Sas.users >> 2)] < 0 || i32[at + (Sas.cr3Lo >> 2)] !== key.cr3Lo) return false;
    if (i32[at + (Sas.role >> 2)] !== key.role || i32[at + (Sas.cr3Hi >> 2)] !== key.cr3Hi) return false;
    if (i32[at + (Sas.pcid >> 2)] !== key.pcid || i32[at + (Sas.owner >> 2)] !== key.owner) return false;
    if (!this.generationMatches(sas)) return false;
    for (let i = 0; i < 8; i++) if (i32[at + (Sas.pdpte >> 2) + i] !== key.pdpte[i]) return false;
    return true;
  }

  #make(key: SpaceKey): number {
    let sas = -1;
    this.exclusively(() => {
      sas = this.#find(key); // another LP may have made it
      if (sas >= 0) return;
      this.made = true;
      sas = this.#create(key, 1);
      this.#counting.add(Counter.sasCreated);
    });
    return sas;
  }

  /** The shared node of a tag, as it is or new and with no users; -1 when there are as many nodes as there may be, all of spaces that are loaded. Under the structure lock. */
  nodeOf(key: SpaceKey): number {
    const limit = this.#words.load(vtlbWord('sasLimit'));
    for (let sas = 0; sas < limit; sas++) if (this.#matches(sas, key)) return sas;
    while (this.#nodes() >= NODES_MAX) {
      // With the last space that has taken it up a node goes, too.
      const idle = this.#reclaim.oldestIdle((sas) => this.#isNode(sas) || hasNodes(this.#views, sas));
      if (idle < 0) return -1;
      this.#evict(idle);
    }
    this.#counting.add(Counter.nodesMade);
    return this.#create(key, 0);
  }
  #isNode(sas: number): boolean {
    return (this.#views.i32[(sasAt(sas) + Sas.role) >>> 2] & Role.LEVEL) !== 0;
  }
  #nodes(): number {
    let nodes = 0;
    for (let sas = 0; sas < SAS_MAX; sas++) if (this.#words.load(sasAt(sas) + Sas.users) >= 0 && this.#isNode(sas)) nodes++;
    return nodes;
  }

  #create(key: SpaceKey, users: number): number {
    const sas = this.#freeEntry();
    const { i32, u32 } = this.#views;
    const gfn = rootTable(this.#views, key.cr3Lo, key.cr3Hi);
    const node = this.#numa.nodeFor(gfn);
    let root = this.#pool.allocate(node);
    for (let tries = 0; root === 0; tries++) {
      // A reclaim frees more than all other LPs can take at once; many in a row mean that the arena is broken.
      assert(tries < 1000, 'no SPT for a root');
      this.#reclaim.run();
      root = this.#pool.allocate(node);
    }
    const h = sptHeaderAt(root);
    u32[(h + Spt.gptGfn) >>> 2] = gfn;
    i32[(h + Spt.role) >>> 2] = (key.role & Role.LEVEL) !== 0 ? key.role : key.role | 4;
    i32[(h + Spt.generation) >>> 2] = this.#words.load(vtlbWord('generation'));
    u32[(h + Spt.parent) >>> 2] = 0;
    u32[(h + Spt.sas) >>> 2] = sas;
    const at = sasAt(sas);
    i32[(at + Sas.generation) >>> 2] = i32[(h + Spt.generation) >>> 2];
    u32[(at + Sas.root) >>> 2] = root;
    i32[(at + Sas.role) >>> 2] = key.role;
    i32[(at + Sas.cr3Lo) >>> 2] = key.cr3Lo;
    i32[(at + Sas.cr3Hi) >>> 2] = key.cr3Hi;
    i32[(at + Sas.pcid) >>> 2] = key.pcid;
    i32[(at + Sas.owner) >>> 2] = key.owner;
    i32[(at + Sas.spts) >>> 2] = 0;
    i32.fill(0, (at + Sas.nodes) >>> 2, (at + Sas.nodes + SAS_MAX / 8) >>> 2);
    i32[(at + Sas.stale) >>> 2] = 0;
    i32.set(key.pdpte, (at + Sas.pdpte) >>> 2);
    u32[(at + Sas.serial) >>> 2]++;
    if (sas >= this.#words.load(vtlbWord('sasLimit'))) this.#words.store(vtlbWord('sasLimit'), sas + 1);
    this.#words.store(at + Sas.users, users);
    // After it can be found by whoever marks what is made from the page.
    this.#shadowed(root);
    return sas;
  }

  /** The root shadows its guest table from now on. In other modes than long mode it holds nothing that the guest could edit. */
  #shadowed(root: number): void {
    const { i32, u32 } = this.#views;
    const h = sptHeaderAt(root) >>> 2;
    const gfn = u32[h + (Spt.gptGfn >> 2)];
    const mode = (i32[h + (Spt.role >> 2)] & Role.MODE) >>> Role.MODE_SHIFT;
    if (mode === PagingMode.LONG && gfn < u32[PartitionLayout.at.ramSize >>> 2] >>> 12) this.#tracking.shadowed(gfn, root);
  }

  /** Guest physical addresses may mean something else: the A20 gate has moved. Inside a clearing, of a SAS whose entries go. */
  followBus(sas: number): void {
    const { u32 } = this.#views;
    const at = sasAt(sas) >>> 2;
    // A node is of the table that it was made for.
    if ((u32[at + (Sas.role >> 2)] & Role.LEVEL) !== 0) return;
    const root = u32[at + (Sas.root >> 2)];
    u32[(sptHeaderAt(root) + Spt.gptGfn) >>> 2] = rootTable(this.#views, u32[at + (Sas.cr3Lo >> 2)], u32[at + (Sas.cr3Hi >> 2)]);
    this.#shadowed(root);
  }

  /** A free entry of the table; when there is none the oldest idle SAS is evicted. There are more entries than LPs and nodes, and an LP has no more than one SAS loaded. */
  #freeEntry(): number {
    for (;;) {
      for (let sas = 0; sas < SAS_MAX; sas++) if (this.#words.load(sasAt(sas) + Sas.users) < 0) return sas;
      const idle = this.#reclaim.oldestIdle();
      assert(idle >= 0, 'every SAS is loaded by some LP');
      this.#evict(idle);
    }
  }

  /** Unless an LP loads it meanwhile. */
  #evict(sas: number): void {
    const batch: number[] = [];
    if (this.#reclaim.evict(sas, batch)) this.#reclaim.retire(batch);
  }

  /** As `exclusively`, with every other LP out of guest mode: no VP runs. The bus first: its owner may need the structure lock, which must not wait for the bus. */
  alone(section: () => void): void {
    const handshake = this.#handshake;
    const inside = handshake.isInGuest;
    handshake.stopOthers();
    this.exclusively(section);
    handshake.releaseOthers();
    if (!inside) handshake.leaveGuest();
  }

  /** Under the structure lock, outside guest mode all through: its holder waits for handshakes, and must not wait for the bus. */
  exclusively(section: () => void): void {
    const inside = this.#handshake.isInGuest;
    if (inside) this.#handshake.leaveGuest();
    this.#structure.lock();
    section();
    this.#structure.unlock();
    if (inside) this.#handshake.enterGuest();
  }
}
