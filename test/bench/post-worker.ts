// Thread of the posting measurement: posts vectors to a VP and sets its LP's kick word, or is that LP and takes what has come. Answers with the number of vectors.
import { parentPort, workerData } from 'node:worker_threads';
import { hasPosted, post, pull } from '../../daemon/hypervisor/apic/post.js';
import { KICKED, LpContextLayout } from '../../shared/layout/lp-context.js';
import { lpContextAt, vpBlockAt } from '../../shared/layout/partition.js';
import { viewsOf } from '../../shared/layout/struct.js';
import { VpBlock } from '../../shared/layout/vp.js';

export interface PostWorkerData {
  readonly memory: SharedArrayBuffer;
  /** Two words: threads that are ready, and whether the time is over. */
  readonly ready: SharedArrayBuffer;
  readonly posts: boolean;
  readonly milliseconds: number;
}

const { memory, ready, posts, milliseconds } = workerData as PostWorkerData;
const views = viewsOf(memory);
const vp = new VpBlock(views, vpBlockAt(0));
const kick = (lpContextAt(0) + LpContextLayout.at.kick) >>> 2;
const words = new Int32Array(ready);
Atomics.add(words, 0, 1);
while (Atomics.load(words, 0) < 2);
let count = 0;
if (posts) {
  const start = performance.now();
  while (performance.now() - start < milliseconds)
    for (let n = 0; n < 200; n++, count++) if (post(vp, 0x20 + (count % 0xd0), false)) Atomics.store(views.i32, kick, KICKED);
  Atomics.store(words, 1, 1);
} else
  while (Atomics.load(words, 1) === 0) {
    if (Atomics.exchange(views.i32, kick, 0) === 0 || !hasPosted(vp)) continue;
    pull(vp);
    count++;
  }
parentPort?.postMessage(count);
