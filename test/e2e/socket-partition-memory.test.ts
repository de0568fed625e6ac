// The host's memory comes back when partitions are destroyed, while the LPs never return to their event loops.
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { run } from '../rig/hvd-process.js';

const MIB = 2 ** 20;

test('sixty partitions made and destroyed leave no memory behind', async (t) => {
  const { stdout, stderr } = await run(fileURLToPath(new URL('../rig/destroy-partitions.js', import.meta.url)), {}, []);
  // Each one touches about 2 MiB of its memory: kept, they would be 120 MiB.
  t.regex(stdout, /^-?\d+\n$/, stderr);
  t.true(Number(stdout) < 60 * MIB, `${Math.round(Number(stdout) / MIB)} MiB more`);
});
