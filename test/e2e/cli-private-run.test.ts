// What `hvd run` makes of the ways in which a guest can end, with stub LPs.
import { createHash } from 'node:crypto';
import test from 'ava';
import { type RunRequest, runPrivately } from '../../daemon/cli/run/private-run.js';
import { STUB_LP, stubConfig, stubPartition } from '../rig/stub-daemon.js';

const runStub = async (name: string, changes: Partial<RunRequest> = {}) => {
  const output: Uint8Array[] = [];
  const result = await runPrivately({
    machine: stubConfig(),
    guest: stubPartition(name),
    until: undefined,
    timeoutMs: 20_000,
    runForMs: Number.POSITIVE_INFINITY,
    debugExit: false,
    hash: false,
    onOutput: (bytes) => output.push(bytes),
    signal: new AbortController().signal,
    workerFile: STUB_LP,
    ...changes,
  });
  return { ...result, output: Buffer.concat(output).toString() };
};

test('powering off is success, and everything that was said is shown', async (t) => {
  t.like(await runStub('say-1'), { cause: 'power-off', status: 0, output: 'hello from say-1\n' });
});

test('a text that is waited for in vain changes nothing', async (t) => {
  t.like(await runStub('say-1', { until: 'never' }), { cause: 'power-off', status: 0 });
});

test('where the host decides the end of a deterministic run there are no hashes', async (t) => {
  const machine = { ...stubConfig(), clock: 'deterministic' as const };
  t.like(await runStub('busy', { machine, timeoutMs: 100, hash: true }), { cause: 'timeout', traceHash: null, memoryHash: null });
});

test('the debug-exit port gives the status only when asked for', async (t) => {
  t.like(await runStub('debug-1', { debugExit: true }), { cause: 'debug-exit', status: (21 << 1) | 1, debugExit: 21 });
  t.like(await runStub('debug-1'), { cause: 'debug-exit', status: 0 });
});

test('time that is up is 124', async (t) => {
  const result = await runStub('busy', { timeoutMs: 200 });
  t.like(result, { cause: 'timeout', status: 124 });
  t.true(result.elapsedMs >= 200 && result.elapsedMs < 5000);
  t.true(result.instructions > 0);
});

test('a triple fault is 70, with a register dump', async (t) => {
  const result = await runStub('triple-1', { guest: stubPartition('triple-1', { vps: 2 }) });
  t.like(result, { cause: 'triple-fault', status: 70, reason: 'triple fault on VP 0' });
  t.is(result.registers.length, 2);
  t.regex(result.registers[1]!, /^VP 1 \(real, CPL 0\)\nrax 0x0{16} {2}rcx /);
});

test('a machine check is 71, and names the LP', async (t) => {
  t.like(await runStub('throw-1'), { cause: 'crashed', status: 71, reason: 'machine check: LP 0: stub: out of order' });
});

test('an interruption is 130', async (t) => {
  const abort = new AbortController();
  setTimeout(() => abort.abort(), 100);
  t.like(await runStub('busy', { signal: abort.signal }), { cause: 'interrupted', status: 130 });
});

test('equal memories hash equal, others do not', async (t) => {
  const [a, b, c] = [
    await runStub('off-1', { hash: true }),
    await runStub('off-1', { hash: true }),
    await runStub('off-1', { hash: true, guest: stubPartition('off-1', { append: 'x' }) }),
  ];
  t.regex(a!.memoryHash!, /^[0-9a-f]{64}$/);
  t.is(a!.memoryHash, b!.memoryHash);
  t.is(a!.traceHash, b!.traceHash);
  t.not(a!.memoryHash, c!.memoryHash);
});

test('the hashes are those of when every LP has left the guest, not of when it said that it ends', async (t) => {
  const { traceHash } = await runStub('late-1', { hash: true, machine: stubConfig({ lps: 1 }) });
  t.is(
    traceHash,
    createHash('sha256')
      .update(new Uint32Array([1, 2]))
      .digest('hex'),
  );
});
