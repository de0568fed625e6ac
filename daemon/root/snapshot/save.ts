// Writes a snapshot of a machine that stands still: at the gate in `deterministic` mode, with every partition paused in the others.
// Into a file beside the one that is wanted, which takes its place once it is whole.
import { createHash } from 'node:crypto';
import { readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { deflateRaw } from 'node:zlib';
import { Packr } from 'msgpackr';
import { DebugBlock } from '../../../shared/layout/debug.js';
import { debugAt } from '../../../shared/layout/machine.js';
import { HvdError, reasonOf } from '../../../shared/protocol/errors.js';
import type { BackEnds } from '../back-ends.js';
import type { Place } from '../gate/gate.js';
import type { Machine } from '../machine.js';
import type { Partition } from '../partition.js';
import { codeDigest } from '../record/code-digest.js';
import { hostFileHash } from '../record/file-hash.js';
import { FrameWriter, PIECE } from '../record/frame-file.js';
import { stateDigest } from '../record/state-digest.js';
import { hvdVersion } from '../version.js';
import { waitUntil } from '../wait-until.js';
import { layouts } from './layouts.js';
import { readMachineFields } from './machine-words.js';
import { hostRanges, PAGE, type Range, ramRange, usedPages, usedTables } from './memory-pages.js';
import { type DiskFrame, HOST_SLOT, type RecordingPlace, SNAPSHOT_FORMAT, type SnapshotFrame } from './snapshot-file.js';

/** Longest wait for what disks have begun. */
const DISKS_LIMIT_MS = 15_000;
const PAGES_AT_ONCE = PIECE / PAGE;
const deflate = promisify(deflateRaw);
const FAST = { level: 1 };
export const snapshotPackr: Packr = new Packr({ useRecords: false, variableMapSize: true });

export interface SaveOptions {
  readonly file: string;
  readonly place: Place;
  readonly costs: Record<string, number>;
  /** Partitions that run when the snapshot is taken up. */
  readonly goesOn: (partition: Partition) => boolean;
  readonly recording: RecordingPlace | undefined;
}
export interface SnapshotReport {
  readonly bytes: number;
  readonly pages: number;
  readonly course: number;
  /** Highest LP clock. */
  readonly cycle: number;
}

export const saveSnapshot = async (machine: Machine, options: SaveOptions): Promise<SnapshotReport> => {
  const { file } = options;
  sweepParts(file);
  const part = `${file}.${process.pid}.part`;
  const writer = new FrameWriter(part, 'HVDS', SNAPSHOT_FORMAT);
  try {
    const pages = await new Save(machine, writer, options).run();
    writer.close();
    if (writer.failure !== undefined) throw new HvdError('snapshot.write', { file, why: writer.failure });
    renameSync(part, file);
    const cycle = Math.max(...machine.memory.lps.map(({ clockNum }) => clockNum));
    return { bytes: statSync(file).size, pages, course: options.place.course, cycle };
  } catch (error) {
    rmSync(part, { force: true });
    if (error instanceof HvdError) throw error;
    throw new HvdError('snapshot.write', { file, why: reasonOf(error) }, error);
  }
};

// What daemons have left that were killed while they wrote this snapshot.
const sweepParts = (file: string): void => {
  try {
    for (const name of readdirSync(dirname(file))) {
      const pid = name.startsWith(`${basename(file)}.`) ? /^\.(\d+)\.part$/.exec(name.slice(basename(file).length))?.[1] : undefined;
      if (pid !== undefined && !isAlive(Number(pid))) rmSync(join(dirname(file), name), { force: true });
    }
  } catch {
    // Whoever cannot look there will hear of it when the snapshot is written.
  }
};
const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
};

class Save {
  readonly #machine: Machine;
  readonly #writer: FrameWriter;
  readonly #o: SaveOptions;
  readonly #images = new Set<string>();
  #pages = 0;

  constructor(machine: Machine, writer: FrameWriter, options: SaveOptions) {
    this.#machine = machine;
    this.#writer = writer;
    this.#o = options;
  }

  /** Returns the pages that there are. */
  async run(): Promise<number> {
    const { memory, partitions, networks, workers } = this.#machine;
    for (const { name, backEnds } of partitions.all)
      if (backEnds !== undefined && !(await waitUntil(() => !backEnds.isBusy, DISKS_LIMIT_MS)))
        throw new HvdError('snapshot.busy', { name, ms: DISKS_LIMIT_MS });
    this.#head();
    for (const { files } of partitions.all)
      for (const contents of [files.image, files.initrd]) if (contents !== undefined) await this.#image(contents);
    // LPs first: where no course is kept to, they give up what they have translated.
    for (const lp of memory.lps.keys()) {
      const known = snapshotPackr.pack(await workers.save(lp));
      this.#put({ t: 'lp', lp, bytes: known.length });
      await this.#data(known);
    }
    for (const partition of partitions.all) await this.#partition(partition);
    await this.#memory(HOST_SLOT, memory.host.buffer, hostRanges(memory.lps.length, memory.host.buffer));
    for (const [name, network] of networks) this.#put({ t: 'switch', name, ...network.saved });
    this.#put({ t: 'machine', fields: readMachineFields(memory) });
    const sha256 = hostFileHash(this.#writer.file);
    this.#put({ t: 'end', sha256, pages: this.#pages, turn: 0, state: stateDigest(memory, partitions.all, 0) });
    return this.#pages;
  }

  #put(frame: SnapshotFrame): void {
    this.#writer.write(frame);
    if (this.#writer.failure !== undefined) throw new HvdError('snapshot.write', { file: this.#o.file, why: this.#writer.failure });
  }

  #head(): void {
    const { config, memory } = this.#machine;
    const { place, costs, recording } = this.#o;
    const stood = new DebugBlock(memory.views, debugAt(memory.lps.length)).stoodMicrosNum / 1000;
    this.#put({
      t: 'head',
      hvd: hvdVersion(),
      code: codeDigest(),
      machine: plain({ ...config, partitions: [] }),
      costs,
      ...place,
      hostMs: performance.timeOrigin + performance.now() - stood,
      layouts: layouts(),
      ...(recording === undefined ? {} : { recording }),
    });
  }

  async #image(contents: Uint8Array): Promise<void> {
    const sha256 = hashOf(contents);
    if (this.#images.has(sha256)) return;
    this.#images.add(sha256);
    this.#put({ t: 'image', sha256, bytes: contents.length });
    await this.#data(contents);
  }
  async #data(contents: Uint8Array): Promise<void> {
    for (let at = 0; at < contents.length; at += PIECE)
      this.#put({ t: 'data', data: await deflate(contents.subarray(at, at + PIECE), FAST) });
  }

  async #partition(partition: Partition): Promise<void> {
    const { config, files, slot, body, backEnds, pendingLoads } = partition;
    const { byteLength } = body.memory.buffer;
    this.#put({
      t: 'partition',
      slot,
      config: plain(config),
      image: hashOf(files.image),
      ...(files.initrd === undefined ? {} : { initrd: hashOf(files.initrd) }),
      bytes: byteLength,
      pendingLoads: plain(pendingLoads),
      goesOn: this.#o.goesOn(partition),
    });
    const { buffer } = body.memory;
    await this.#memory(slot, buffer, [...usedTables(buffer, this.#machine.memory.lps.length), ramRange(byteLength)]);
    if (backEnds !== undefined) await this.#disks(partition, backEnds);
  }

  async #memory(slot: number, memory: ArrayBufferLike, ranges: readonly Range[]): Promise<void> {
    let pages: number[] = [];
    const flush = async (): Promise<void> => {
      if (pages.length === 0) return;
      const bytes = Buffer.allocUnsafe(pages.length * PAGE);
      for (const [n, page] of pages.entries()) bytes.set(new Uint8Array(memory, page * PAGE, PAGE), n * PAGE);
      this.#put({ t: 'pages', slot, pages, data: await deflate(bytes, FAST) });
      this.#pages += pages.length;
      pages = [];
    };
    for (const page of usedPages(memory, ranges)) if (pages.push(page) === PAGES_AT_ONCE) await flush();
    await flush();
  }

  async #disks({ config, slot }: Partition, backEnds: BackEnds): Promise<void> {
    for (const [device, disk] of backEnds.disks) {
      const what = config.devices?.[device];
      if (what?.kind !== 'disk') continue;
      // Nothing is on its way any more: what the guest has been told of is in the file.
      await disk.flush();
      this.#put(diskFrame(slot, device, what.file, what.access === undefined || what.access === 'persistent'));
      for await (const { at, data } of disk.overlay()) this.#put({ t: 'sectors', slot, device, at, data: await deflate(data, FAST) });
    }
  }
}

/** The file as it is now. */
export const diskFrame = (slot: number, device: number, file: string, isWritten: boolean): DiskFrame => {
  const { size, mtimeNs } = statSync(file, { bigint: true });
  const bytes = Number(size);
  // A file that is written to is known by when it was; its contents are nobody's to keep. One that is only read has to be the same anywhere.
  return isWritten
    ? { t: 'disk', slot, device, file, bytes, changed: String(mtimeNs) }
    : { t: 'disk', slot, device, file, bytes, sha256: hostFileHash(file) };
};

const hashOf = (contents: Uint8Array): string => createHash('sha256').update(contents).digest('hex');

/** Without what is undefined, which a file need not say. */
const plain = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;
