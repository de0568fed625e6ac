// The JSON Schemas of YAML files: shipped as they are made, accepting what hvd accepts, refusing what it refuses wherever one key is enough to see it.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { parse } from 'yaml';
import { schemaText, YAML_FILES, yamlFileOf } from '../../daemon/cli/yaml-files.js';
import { jsonSchemaOf } from '../../daemon/root/config/json-schema.js';
import { packageRoot } from '../../daemon/root/package-root.js';
import { HvdError } from '../../shared/protocol/errors.js';
import { POLICIES } from '../../shared/protocol/policies.js';
import { matches } from '../rig/json-schema.js';

const CONFIGS = join(packageRoot(), 'configs');
const schemaOf = (kind: string) => jsonSchemaOf(kind, yamlFileOf(kind));

test('those in configs/schemas are in step with the code (hvd schema --out configs/schemas)', (t) => {
  const kinds = Object.keys(YAML_FILES).sort();
  t.deepEqual(
    readdirSync(join(CONFIGS, 'schemas')).sort(),
    kinds.map((kind) => `${kind}.json`),
  );
  for (const kind of kinds) t.is(readFileSync(join(CONFIGS, 'schemas', `${kind}.json`), 'utf8'), schemaText(kind), kind);
});

const shipped = (): { file: string; kind: string }[] => [
  { file: 'costs.yaml', kind: 'costs' },
  ...readdirSync(join(CONFIGS, 'machines')).map((name) => ({ file: `machines/${name}`, kind: 'machine' })),
  ...readdirSync(join(CONFIGS, 'vms')).map((name) => ({ file: `vms/${name}`, kind: 'vm' })),
  ...readdirSync(join(CONFIGS, 'loads')).flatMap((name) => (name.endsWith('.yaml') ? [{ file: `loads/${name}`, kind: 'load' }] : [])),
  ...readdirSync(join(CONFIGS, 'experiments')).flatMap((name) =>
    name.endsWith('.yaml') ? [{ file: `experiments/${name}`, kind: 'experiment' }] : [],
  ),
];

test('every file that is shipped names its schema in the first line, and is what it says', (t) => {
  for (const { file, kind } of shipped()) {
    const text = readFileSync(join(CONFIGS, file), 'utf8');
    const folder = file.includes('/') ? '../schemas' : 'schemas';
    t.is(text.split('\n', 1)[0], `# yaml-language-server: $schema=${folder}/${kind}.json`, file);
    t.true(matches(schemaOf(kind), parse(text)), file);
  }
});

const VM = { name: 'a', image: 'x', vps: 2, memory: '64M' };

test('what hvd takes, an editor does not complain of', (t) => {
  const schema = schemaOf('vm');
  for (const [what, more] of Object.entries({
    sizes: { memory: 1 << 20 },
    'a size with a unit': { memory: '2048KiB' },
    features: { hv: { features: ['linux', '+ref-tsc'], ports: [{ id: 1, sint: 2, vp: 'any' }] } },
    'features as text': { hv: { features: 'linux' } },
    devices: {
      devices: [
        { kind: 'console' },
        { kind: 'disk', file: 'f', access: 'read-only' },
        { kind: 'network', to: 'user', forward: ['tcp:127.0.0.1:2222:22'] },
      ],
    },
    'an address in capitals': { devices: [{ kind: 'network', to: 'switch:a', mac: '52:54:00:AA:bb:CC' }] },
    scheduling: { scheduling: { weight: 1, critical: [{ from: 4096, to: '0x2000' }], criticalWord: { at: 'gs:0x10', mask: '0xff' } } },
    'a setting of its own': { policies: { 'apic.eoi': 'auto' } },
    load: { load: { job: 'spinlock', parameters: { hold: 1 } } },
  })) {
    const value = { ...VM, ...more };
    t.true(yamlFileOf('vm').schema.safeParse(value).success, `hvd: ${what}`);
    t.true(matches(schema, value), what);
  }
});

test('what hvd refuses for one key alone, an editor marks', (t) => {
  const schema = schemaOf('vm');
  for (const more of [
    { vps: 0 },
    { vps: 65 },
    { vps: 1.5 },
    { vps: '2' },
    { name: '.a' },
    { name: 'n'.repeat(33) },
    { memory: '9X' },
    { memory: undefined },
    { lps: 2 },
    { image: '' },
    { autostart: 'yes' },
    { 'super-mode': 'short' },
    { load: { job: 'nothing' } },
    { devices: [{ kind: 'tape' }] },
    { devices: [{ kind: 'disk', file: 'f', access: 'some' }] },
    { devices: [{ kind: 'network', to: 'hub' }] },
    { devices: [{ kind: 'network', to: 'user', mac: '53:54:00:00:00:01' }] },
    { scheduling: { weight: 0 } },
    { hv: { features: 'linux', ports: [{ id: 1, sint: 16, vp: 0 }] } },
    { policies: { 'vtlb.look': 'global' } },
    { policies: { 'vtlb.lock': 'global' } },
    { policies: { 'apic.eoi': 'never' } },
  ]) {
    const value = Object.fromEntries(Object.entries({ ...VM, ...more }).filter(([, entry]) => entry !== undefined));
    t.false(yamlFileOf('vm').schema.safeParse(value).success, `hvd: ${JSON.stringify(more)}`);
    t.false(matches(schema, value), JSON.stringify(more));
  }
});

test('policies are offered with all their values and what they mean', (t) => {
  const { properties } = schemaOf('machine') as {
    properties: Record<string, { properties: Record<string, { enum?: string[]; description: string }> }>;
  };
  const offered = properties.policies!.properties;
  t.deepEqual(
    Object.keys(offered),
    POLICIES.map(({ name }) => name),
  );
  for (const { name, values, set, meaning } of POLICIES) {
    t.true(offered[name]!.description.startsWith(meaning));
    if (set === undefined) t.deepEqual(offered[name]!.enum, [...values]);
  }
});

test('a parameter may stand in place of any value of a script, and nothing else that is wrong', (t) => {
  const script = (phase: object) => ({
    phases: [{ name: 'a', ...phase }],
    partitions: [{ name: '$vm', image: 'x', vps: '$vps', memory: '64M' }],
  });
  t.true(matches(schemaOf('load'), script({ steps: '$steps', policies: { 'apic.eoi': '$eoi' } })));
  t.false(matches(schemaOf('load'), script({ steps: 'steps' })));
  t.false(matches(schemaOf('load'), script({ partitions: { vm: 'begin' } })));
});

test('sets of words are taken in any order', (t) => {
  t.true(matches(schemaOf('machine'), { policies: { 'spin.detect': 'idle+pause', 'spin.hints': 'off' } }));
});

test('a kind that there is not is refused with those that there are', (t) => {
  const error = t.throws(() => yamlFileOf('toString'), { instanceOf: HvdError });
  t.regex(error.message, /^no files of a kind "toString"; there are machine, vm, costs, load, experiment$/);
});
