// Translated code in the steady state: cache and metadata take at most 100 bytes of the host's for each translated byte of the guest's, in guests whose hot loops
// have been compiled, and in those that run their code a few times. V8's machine code is counted apart (daemon/PROCESSOR.md, Memory for code).
import test from 'ava';
import { measureCode } from '../bench/code-suite.js';

const BOUND = 100;

for (const [name, div, compiled] of [
  ['crc,crcpg,sieve,dhry,matmul,qsort', 100, true],
  ['fpsse,fpx87', 20, true],
  ['cold1,cold50,smc', 40, false],
] as const)
  test.serial(`${name}: ${BOUND} bytes a guest byte`, (t) => {
    t.timeout(300_000);
    const row = measureCode(32, { name, div });
    t.log(JSON.stringify(row));
    t.true(row.guestBytes > 2000 && row.records > 5 && row.metadata > 5, 'it is counted');
    if (compiled) t.true(row.webAssembly > 5 && row.machineCode > 2 * row.webAssembly, 'hot code was compiled');
    t.true(row.held <= BOUND, `${row.held} bytes`);
  });
