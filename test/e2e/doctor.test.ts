// hvd doctor: what it finds on a host that runs these tests, and what it says where something is missing.
import test from 'ava';
import { examine, worstOf } from '../../daemon/cli/doctor/examine.js';
import { hvd, hvdIn } from '../rig/hvd-process.js';

test('on a host that runs tests nothing is bad, and every finding says what it is for', (t) => {
  const findings = examine();
  t.is(new Set(findings.map(({ what }) => what)).size, findings.length);
  for (const { what, verdict, found, purpose } of findings) {
    t.not(verdict, 'bad', `${what}: ${found}`);
    t.true(found.length > 0 && purpose.length > 10, what);
    t.notRegex(`${found}${purpose}`, /\n/, what);
  }
  t.is(findings.find(({ what }) => what === 'WebAssembly')!.found, 'shared memory, SIMD');
});

test('the worst finding is the verdict', (t) => {
  const of = (...verdicts: ('good' | 'less' | 'bad')[]) =>
    worstOf(verdicts.map((verdict) => ({ what: '', verdict, found: '', purpose: '' })));
  t.is(of('good', 'good'), 'good');
  t.is(of('good', 'less', 'good'), 'less');
  t.is(of('less', 'bad', 'good'), 'bad');
});

test('as a command: a table, or JSON; programs that are not there are less, not a failure', async (t) => {
  const { status, stdout } = await hvdIn({ PATH: '/nonexistent' }, 'doctor', '--json');
  t.is(status, 0);
  const { verdict, findings } = JSON.parse(stdout) as { verdict: string; findings: { what: string; verdict: string; found: string }[] };
  t.is(verdict, 'less');
  for (const name of ['gdb', 'tmux', 'apt-get', 'pinning']) t.is(findings.find(({ what }) => what === name)!.verdict, 'less', name);
  const table = await hvd('doctor');
  t.is(table.status, 0);
  t.regex(table.stdout, /^WHAT +VERDICT +FOUND +FOR\nhost +good +linux on x64 /);
});
