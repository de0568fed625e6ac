// Stores into watched code against translations of it, on x86-TSO: a plain store waits in a store buffer, which a thread of its own empties at any moment,
// and which a locked operation of the storing LP empties first (Sewell et al., "x86-TSO", CACM 2010).
import { SharedWords } from '../../daemon/machine/shared-words.js';
import { WatchedCode } from '../../daemon/machine/watched-code.js';
import { PageFlag, PartitionLayout, PartitionMap } from '../../shared/layout/partition.js';
import type { Scenario, ScenarioThread } from './scenario.js';
import { type SmallMachine, spaOf } from './small-machine.js';

const GFN = 20;
/** Two lines of the page: the code that is translated, and other code. */
const CODE = 0;
const OTHER = 0x80;
const BYTES = spaOf(GFN) + CODE;
const OLD = 0;
const NEW = 1;
const LINES = PartitionMap.CODE_LINES + GFN * 8;
const EPOCH = PartitionMap.HEADER + PartitionLayout.at.codeEpoch;
/** Words that only the scenario uses: the store buffer, and what the translator keeps. */
const BUFFER = PartitionMap.DEVICES;
const Buffer = { EMPTY: 0, FULL: 1, OVER: 2 } as const;
const KEPT = PartitionMap.DEVICES + 64;
const MADE = 1;

/** What the storing LP does to memory: its store of the code's bytes is in the buffer, and a locked operation waits until that is empty. */
class BufferedWords extends SharedWords {
  readonly #words: SharedWords;

  constructor(words: SharedWords) {
    super(words);
    this.#words = words;
  }
  override read(address: number): number {
    return this.#words.read(address);
  }
  override write(address: number, value: number): void {
    this.#words.write(address, value);
  }
  override add(address: number, value: number): number {
    this.#words.awaitChange(BUFFER, Buffer.FULL);
    return this.#words.add(address, value);
  }
}
const codeOf = ({ WatchedCode: Mutant }: ScenarioThread, words: SharedWords): WatchedCode => new (Mutant ?? WatchedCode)(words);

const storeCode = (t: ScenarioThread): void => {
  const { words } = t;
  const code = codeOf(t, new BufferedWords(words));
  code.beginStore(GFN, CODE, 4);
  words.store(BUFFER, Buffer.FULL);
  code.endStore();
  words.awaitChange(BUFFER, Buffer.FULL);
  words.store(BUFFER, Buffer.OVER);
};
const storeBuffer = ({ words }: ScenarioThread): void => {
  words.awaitChange(BUFFER, Buffer.EMPTY);
  words.store(BYTES, NEW);
  words.store(BUFFER, Buffer.EMPTY);
};
const storeOther = (t: ScenarioThread): void => {
  const code = codeOf(t, t.words);
  code.beginStore(GFN, OTHER, 4);
  code.endStore();
};
/** Translates the code, then looks at the bytes as data: having seen the new ones, it must find that what it has made is not to be run. */
const translate = (t: ScenarioThread): void => {
  const { words, machine } = t;
  const code = codeOf(t, t.words);
  const noticed = words.load(EPOCH);
  const version = code.mark(GFN, CODE, CODE + 4, () => {
    throw new Error('the page is watched already');
  });
  const made = words.load(BYTES);
  const seen = words.load(BYTES);
  if (made === OLD && seen === NEW && words.load(EPOCH) === noticed)
    throw new Error('the new bytes are seen, and nothing tells that the old ones are in use');
  const kept = KEPT >>> 2;
  machine.partition.i32.set([MADE, made, version], kept);
};

const setup =
  (marks: number) =>
  ({ partition: { i32 } }: SmallMachine): void => {
    i32[(PartitionMap.PAGE_FLAGS >>> 2) + GFN] = PageFlag.CODE;
    i32.set([marks, 0], LINES >>> 2);
    i32[(PartitionMap.CODE_VERSIONS >>> 2) + GFN] = 0;
    i32[BUFFER >>> 2] = Buffer.EMPTY;
    i32.set([0, 0, 0], KEPT >>> 2);
  };
const check = ({ partition: { i32 } }: SmallMachine): string | null => {
  const [made, bytes, version] = i32.subarray(KEPT >>> 2, (KEPT >>> 2) + 3);
  if (made !== MADE || version !== i32[(PartitionMap.CODE_VERSIONS >>> 2) + GFN]) return null;
  if (bytes !== i32[BYTES >>> 2]) return 'old code is kept for good';
  return (i32[LINES >>> 2] & 1) !== 0 ? null : 'code is kept in a line that is not marked: the next store to it is not seen';
};

const MARKED = 1;
const OTHER_MARKED = 1 << (OTHER >>> 6);

export const CODE_SCENARIOS: readonly Scenario[] = [
  {
    name: 'a store into code against its translation',
    spts: 16,
    setup: setup(MARKED),
    threads: [translate, storeCode, storeBuffer],
    check,
  },
  {
    name: 'a store into code against its first translation',
    spts: 16,
    setup: setup(0),
    threads: [translate, storeCode, storeBuffer],
    check,
  },
  {
    name: 'a store into other code of the page against a translation',
    spts: 16,
    setup: setup(OTHER_MARKED),
    threads: [translate, storeOther],
    check,
  },
];
