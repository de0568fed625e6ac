// What was done by hand, as a script: played again, it does the same in the same order and distances.
import test from 'ava';
import { planOf } from '../../daemon/lab/script/plan.js';
import { scriptSchema } from '../../daemon/lab/script/script.js';
import { scriptTextOf } from '../../daemon/lab/script/script-text.js';
import { parseYaml } from '../../daemon/root/config/yaml-file.js';
import type { Deed, Events } from '../../shared/protocol/messages.js';

const told = (at: number, clock: number, deed: Deed): Events['deed'] => ({ at, clock, ...deed });
const BASE = 1e9;
const image = (file: string): string => (file === '/hvd/workload64.elf' ? 'workload64' : file);
const config = { name: 'new', image: '/hvd/workload64.elf', vps: 2, memory: 8 << 20 };

test('phases begin where something was done, keys in a row are one, and the text is a script', (t) => {
  const text = scriptTextOf(
    'mine',
    ['old', 'other', 'third'],
    [
      told(0, BASE, { kind: 'create', config }),
      told(10, BASE + 5e6, { kind: 'load', vm: 'new', load: { job: 'spinlock', parameters: { hold: 5 } } }),
      told(1000, BASE + 1e9, { kind: 'policy', name: 'spin.express', value: 'on' }),
      told(1050, BASE + 1.05e9, { kind: 'policy', name: 'apic.eoi', value: 'auto', vm: 'third' }),
      told(1100, BASE + 1.1e9, { kind: 'load', vm: 'old', load: { job: 'ipi', vps: [0] } }),
      told(1200, BASE + 1.2e9, { kind: 'load', vm: 'old', load: { job: 'io', vps: [1] } }),
      told(2000, BASE + 2e9, { kind: 'verb', vm: 'old', verb: 'pause' }),
      told(2010, BASE + 2e9, { kind: 'idle', vm: 'new' }),
    ],
    { at: 2500, clock: BASE + 2.5e9 },
    1e9,
    image,
  );
  const script = parseYaml(text, 'mine.yaml', scriptSchema('x'));
  t.is(script.name, 'mine');
  t.regex(script.about!, /Needs partitions that are there already: old, third\./);
  t.like(script.partitions[0], { name: 'new', image: 'workload64', memory: 8 << 20 });
  const { moments, end } = planOf(script, 1e9);
  t.deepEqual(
    moments.map(({ cycle, deeds }) => [cycle, deeds]),
    [
      [0, [{ kind: 'load', vm: 'new', load: { job: 'spinlock', parameters: { hold: 5 } } }]],
      [
        1e9,
        [
          { kind: 'policy', name: 'spin.express', value: 'on' },
          { kind: 'policy', name: 'apic.eoi', value: 'auto', vm: 'third' },
          { kind: 'load', vm: 'old', load: { job: 'ipi', vps: [0] } },
          { kind: 'load', vm: 'old', load: { job: 'io', vps: [1] } },
        ],
      ],
      [
        2e9,
        [
          { kind: 'verb', vm: 'old', verb: 'pause' },
          { kind: 'idle', vm: 'new' },
        ],
      ],
    ],
  );
  t.is(end, 2.5e9);
});

test('a clock that stood still: the host says how long it was; a partition that came later is started then', (t) => {
  const text = scriptTextOf(
    'still',
    [],
    [told(0, 7, { kind: 'policy', name: 'spin.express', value: 'on' }), told(3000, 7, { kind: 'create', config })],
    { at: 3500, clock: 7 },
    1e9,
    image,
  );
  const script = parseYaml(text, 'still.yaml', scriptSchema('x'));
  const { moments, end } = planOf(script, 1e9);
  t.is(moments[1]!.cycle, 3e9);
  t.deepEqual(moments[1]!.deeds, [{ kind: 'verb', vm: 'new', verb: 'start' }]);
  t.is(script.partitions[0]!.autostart, false);
  t.is(end, 3.5e9);
});
