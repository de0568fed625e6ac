// What a machine and a partition may look like: every key, its type and its limits. Used for YAML files and for what comes over the socket.
// Unknown keys are errors: a misspelt key that is ignored costs an evening.
import { z } from 'zod';
import { EVENT_FLAGS, PORT_ID_MAX, SINTS } from '../../../shared/abi/synic.js';
import { ChoiceError, parseProcessor } from '../../../shared/cpu/processor-choice.js';
import { HypervChoiceError, parseHyperv } from '../../../shared/hyperv/hyperv-choice.js';
import { CONFIGURED_CONNECTIONS_MAX, CONFIGURED_PORTS_MAX } from '../../../shared/hyperv/partition-ports.js';
import { RANGES_MAX } from '../../../shared/layout/critical-ranges.js';
import { DEVICE_LINES } from '../../../shared/layout/device-line.js';
import { JOB_NAMES } from '../../../shared/layout/job-page.js';
import { PARTITION_SLOTS } from '../../../shared/layout/mailbox.js';
import { MAX_LPS, MAX_NODES, MAX_VPS, RAM_MAX, RAM_MIN, SUPER_MODE_CHOICES } from '../../../shared/layout/partition.js';
import { RESERVE_MAX, WEIGHT_MAX } from '../../../shared/layout/schedule.js';
import { VIRTUAL_DEVICES } from '../../../shared/layout/virtual-devices.js';
import {
  type DeviceConfig,
  DISK_ACCESSES,
  DISK_BUSES,
  type HypervConfig,
  type LoadSpec,
  type MachineConfig,
  type PartitionConfig,
  type PortConfig,
  type VirtualDeviceConfig,
} from '../../../shared/protocol/messages.js';
import { INHERIT, POLICIES, type Policy } from '../../../shared/protocol/policies.js';
import { parseForward } from '../network/user/forwards.js';
import { choice, flag, integer, list, nameSchema, patterned, show, size, strict, text } from './fields.js';

/** Guest RAM comes in pages of WebAssembly memory. */
export const RAM_STEP = 65536;
/** Longest command line, bytes: COMMAND_LINE_SIZE of x86 Linux less its zero. */
export const APPEND_MAX = 2047;
const PATH_MAX = 4095;
/** Longest list of features, far more than there are. */
const HV_WORDS_MAX = 100;
/** Forwarded ports of one device. */
export const FORWARDS_MAX = 64;
const PARAMETER_MAX = 2 ** 32 - 1;

export const vpListSchema = list(integer(0, MAX_VPS - 1), MAX_VPS);

const jobShape = {
  job: text(32).meta({ enum: [...JOB_NAMES] }),
  vps: vpListSchema.optional(),
  parameters: z
    .record(z.string(), integer(0, PARAMETER_MAX), { error: (issue) => `expected names and numbers, got ${show(issue.input)}` })
    .optional(),
};
export const loadShape = jobShape;
export const loadSchema: z.ZodType<LoadSpec> = strict(jobShape);

/** `x86-64-v2,+aes,-smap` (shared/cpu). */
const processor = z
  .unknown()
  .transform((value, context): string => {
    try {
      if (typeof value === 'string') {
        parseProcessor(value);
        return value;
      }
      context.addIssue({ code: 'custom', message: `expected a processor like x86-64-v2,+aes, got ${show(value)}` });
    } catch (error) {
      if (!(error instanceof ChoiceError)) throw error;
      context.addIssue({ code: 'custom', message: `${error.message}; got ${show(value)}` });
    }
    return z.NEVER;
  })
  .meta({ type: 'string', description: 'A model, and features on (+) or off (-)', examples: ['x86-64-v2,+aes,-smap'] });

/** `linux,+ref-tsc,-cluster-ipi` (shared/hyperv), or the same as a list. */
const hypervFeatures = z
  .unknown()
  .transform((value, context): string => {
    const list = Array.isArray(value) && value.length <= HV_WORDS_MAX ? value : [value];
    try {
      if (list.every((part) => typeof part === 'string')) {
        parseHyperv(list.join(','));
        return list.join(',');
      }
      context.addIssue({ code: 'custom', message: `expected features like linux,+ref-tsc,-cluster-ipi, got ${show(value)}` });
    } catch (error) {
      if (!(error instanceof HypervChoiceError)) throw error;
      context.addIssue({ code: 'custom', message: `${error.message}; got ${show(value)}` });
    }
    return z.NEVER;
  })
  .meta({
    type: ['string', 'array'],
    items: { type: 'string' },
    description: 'off, minimal, linux or all, and features on (+) or off (-)',
    examples: ['linux,-ref-tsc,spin-retries=100'],
  });
/** Numbers of ports and connections (TLFS 11.10). */
export const portId = integer(1, PORT_ID_MAX);
export const portSchema: z.ZodType<PortConfig> = strict({
  id: portId,
  sint: integer(0, SINTS - 1),
  vp: z.union([z.literal('any'), integer(0, MAX_VPS - 1)], {
    error: (issue) => `expected any or a whole number from 0 to ${MAX_VPS - 1}, got ${show(issue.input)}`,
  }),
  flags: integer(1, EVENT_FLAGS).optional(),
  firstFlag: integer(0, EVENT_FLAGS - 1).optional(),
}).superRefine(({ flags, firstFlag = 0 }, context) => {
  const refuse = (key: string, message: string): void => context.addIssue({ code: 'custom', path: [key], message });
  if (flags === undefined && firstFlag !== 0) refuse('firstFlag', 'expected flags with it, for it is of event ports');
  if (flags !== undefined && firstFlag + flags > EVENT_FLAGS)
    refuse('flags', `expected at most ${EVENT_FLAGS - firstFlag}, for a SINT has ${EVENT_FLAGS} flags; got ${flags}`);
});
export const connectionShape = { id: portId, vm: nameSchema.optional(), port: portId };
const hyperv: z.ZodType<HypervConfig> = strict({
  features: hypervFeatures,
  ports: list(portSchema, CONFIGURED_PORTS_MAX).optional(),
  connections: list(strict(connectionShape), CONFIGURED_CONNECTIONS_MAX).optional(),
}).superRefine(({ ports = [], connections = [] }, context) => {
  const refuse = (path: (string | number)[], message: string): void => context.addIssue({ code: 'custom', path, message });
  for (const [key, entries] of [
    ['ports', ports],
    ['connections', connections],
  ] as const)
    for (const [index, { id }] of entries.entries())
      if (entries.findIndex((other) => other.id === id) < index) refuse([key, index, 'id'], `expected a number of its own, ${id} is taken`);
});
/** What an editor is told of a policy; of those with sets of words it shows each word, for their sums are too many. */
const policyHint = ({ values, set, meaning, default: usual }: Policy, more: readonly string[]) => ({
  description: `${meaning}${set === undefined ? '' : `; words joined by +: ${set.join(', ')}`}`,
  default: usual,
  ...(set === undefined ? { enum: [...values, ...more] } : { type: 'string', examples: [...values, ...more] }),
});
/** `policies`: those that may be set there; `more`: what may stand in place of their values. */
const settingsOf = (policies: readonly Policy[], more: readonly string[] = []) =>
  z.record(z.string(), text(64), { error: (issue) => `expected names and settings, got ${show(issue.input)}` }).meta({
    properties: Object.fromEntries(policies.map((policy) => [policy.name, policyHint(policy, more)])),
    additionalProperties: false,
  });
export const policySettings = settingsOf(POLICIES);
const OWN = POLICIES.filter(({ perPartition }) => perPartition);
const ownSettings = settingsOf(OWN);
/** As they can be changed while the partition runs. */
export const ownSettingsOrInherit = settingsOf(OWN, [INHERIT]);

const address = z
  .unknown()
  .transform((value, context): string => {
    const text = typeof value === 'number' || typeof value === 'bigint' ? String(value) : value;
    if (typeof text === 'string' && /^(0x[0-9a-f]{1,16}|\d{1,20})$/i.test(text) && BigInt(text) < 1n << 64n) return text;
    context.addIssue({ code: 'custom', message: `expected an address below 2^64, got ${show(value)}` });
    return z.NEVER;
  })
  .meta({ type: ['string', 'integer'], pattern: '^(0[xX][0-9a-fA-F]{1,16}|\\d{1,20})$', minimum: 0 });
const range = strict({ from: address, to: address }).superRefine(({ from, to }, context) => {
  if (BigInt(to) <= BigInt(from))
    context.addIssue({ code: 'custom', path: ['to'], message: `expected an address above ${from}, got ${to}` });
});
const WORD_STRIDE_MAX = 1 << 20;
const criticalWord = strict({
  at: z
    .unknown()
    .transform((value, context): string => {
      const text = typeof value === 'number' || typeof value === 'bigint' ? String(value) : value;
      if (typeof text === 'string' && /^([fg]s:)?(0x[0-9a-f]{1,16}|\d{1,20})$/i.test(text) && BigInt(text.replace(/^.s:/i, '')) < 1n << 64n)
        return text.toLowerCase();
      context.addIssue({ code: 'custom', message: `expected an address, or gs: or fs: and an offset, got ${show(value)}` });
      return z.NEVER;
    })
    .meta({ type: ['string', 'integer'], pattern: '^([fgFG][sS]:)?(0[xX][0-9a-fA-F]{1,16}|\\d{1,20})$', minimum: 0 }),
  stride: integer(0, WORD_STRIDE_MAX).optional(),
  mask: address
    .refine((mask) => BigInt(mask) > 0n && BigInt(mask) < 1n << 32n, { error: 'expected some of 32 bits, e.g. 0x7fffffff' })
    .optional(),
});

const share = {
  weight: integer(1, WEIGHT_MAX).optional(),
  reserve: integer(0, RESERVE_MAX).optional(),
  limit: integer(1, 100).optional(),
};
const someLps = list(integer(0, MAX_LPS - 1), MAX_LPS).min(1, { error: 'expected at least one LP' });
/** Of a partition that exists. */
export const schedulingChange = {
  ...share,
  lps: z
    .union([z.literal('all'), someLps], {
      error: (issue) => `expected all, or a list of LPs from 0 to ${MAX_LPS - 1}, got ${show(issue.input)}`,
    })
    .optional(),
};
const scheduling = strict({
  ...share,
  lps: someLps.optional(),
  critical: list(range, RANGES_MAX).optional(),
  criticalWord: criticalWord.optional(),
}).superRefine(({ reserve = 0, limit = 100 }, context) => {
  if (limit < reserve)
    context.addIssue({ code: 'custom', path: ['limit'], message: `expected at least the reserve, ${reserve}; got ${limit}` });
});

const network = patterned(/^(user|switch:[A-Za-z0-9][A-Za-z0-9._-]{0,31})$/, 'user or switch:NAME');
/** Of one station: the lowest bit of the first byte is that of groups. */
const mac = patterned(/^[\da-fA-F][02468aceACE](:[\da-fA-F]{2}){5}$/, 'an address of one station like 52:54:00:12:34:56');
const forward = patterned(
  /^(tcp|udp):/,
  "tcp or udp, an address of the host, its port and the guest's like tcp:127.0.0.1:2222:22",
  (word) => parseForward(word) !== undefined,
);
const virtualDevice: z.ZodType<VirtualDeviceConfig> = z.discriminatedUnion(
  'kind',
  [
    strict({ kind: z.literal('console') }),
    strict({
      kind: z.literal('disk'),
      file: text(PATH_MAX),
      access: choice(DISK_ACCESSES).optional(),
      bus: choice(DISK_BUSES).optional(),
    }),
    strict({ kind: z.literal('network'), to: network, mac: mac.optional(), forward: list(forward, FORWARDS_MAX).optional() }),
  ],
  { error: (issue) => `expected a device of kind console, disk or network, got ${show(issue.input)}` },
);
const virtualDevices = list(virtualDevice, VIRTUAL_DEVICES).superRefine((devices, context) => {
  for (const [index, device] of devices.entries())
    if (device.kind === 'network' && device.forward !== undefined && device.to !== 'user')
      context.addIssue({ code: 'custom', path: [index, 'forward'], message: `expected none, for ${device.to} has no ports of the host` });
  const consoles = devices.flatMap(({ kind }, index) => (kind === 'console' ? [index] : []));
  if (consoles[1] !== undefined)
    context.addIssue({ code: 'custom', path: [consoles[1], 'kind'], message: 'expected one console, for a partition has no more' });
});

/** Disks that only machines with a BIOS have: a master and a slave; drives A and B. */
const DRIVES = { ide: 'IDE', floppy: 'the floppy controller' } as const;
const DRIVES_MAX = 2;
interface Boot {
  readonly devices?: readonly VirtualDeviceConfig[] | undefined;
  readonly image?: string | undefined;
  readonly bios?: string | undefined;
  readonly append?: string | undefined;
  readonly initrd?: string | undefined;
  readonly 'video-bios'?: string | undefined;
}
/** An image that hvd loads, or a BIOS that boots from a disk. */
const refineBoot = ({ image, bios, append, initrd, devices = [], 'video-bios': videoBios }: Boot, context: z.RefinementCtx): void => {
  const refuse = (key: string, message: string): void => context.addIssue({ code: 'custom', path: [key], message });
  for (const [bus, name] of Object.entries(DRIVES)) {
    const drives = devices.flatMap((device, index) => (device.kind === 'disk' && device.bus === bus ? [index] : []));
    const refused = bios === undefined ? drives[0] : drives[DRIVES_MAX];
    if (refused === undefined) continue;
    const why = bios === undefined ? 'is of machines with a bios' : `has ${DRIVES_MAX} drives`;
    context.addIssue({ code: 'custom', path: ['devices', refused, 'bus'], message: `expected virtio, for ${name} ${why}` });
  }
  if (bios === undefined) {
    if (image === undefined) refuse('image', `expected text of 1 to ${PATH_MAX} bytes without control characters, or a bios; got nothing`);
    if (videoBios !== undefined) refuse('video-bios', 'expected a bios that runs it');
    return;
  }
  if (image !== undefined && image !== bios) refuse('image', 'expected none with a bios, which boots from disks');
  if (append !== undefined) refuse('append', 'expected none with a bios, which has no command line to give');
  if (initrd !== undefined) refuse('initrd', 'expected none with a bios, which boots from disks');
};

const refineProcessors = ({ vps, cpu, hv }: Pick<PartitionConfig, 'vps' | 'cpu' | 'hv'>, context: z.RefinementCtx): void => {
  for (const [index, { vp }] of (hv?.ports ?? []).entries())
    if (vp !== 'any' && vp >= vps)
      context.addIssue({ code: 'custom', path: ['hv', 'ports', index, 'vp'], message: `expected any or 0 to ${vps - 1}, got ${vp}` });
  if (vps === 1 || cpu === undefined || parseProcessor(cpu).features.has('apic')) return;
  context.addIssue({ code: 'custom', path: ['vps'], message: `expected 1, for ${cpu} has no APIC to reach others with; got ${vps}` });
};

export const partitionSchema: z.ZodType<PartitionConfig> = strict({
  name: nameSchema.describe('Its name'),
  image: text(PATH_MAX).optional().describe('File, images:NAME/FILE of a prepared image, or workload64, workload32, bench64, bench32'),
  bios: text(PATH_MAX).optional().describe('It boots through this ROM, from a disk or a floppy'),
  'video-bios': text(PATH_MAX).optional().describe('An option ROM for its VGA'),
  vps: integer(1, MAX_VPS).describe('Virtual processors'),
  memory: size(RAM_MIN, RAM_MAX, RAM_STEP).describe('Guest RAM'),
  cpu: processor.optional().describe('The processor that the guest sees; everything that there is when absent'),
  'super-mode': choice(SUPER_MODE_CHOICES).optional().describe('With world.switch=page: in which super-mode its LPs are'),
  hv: hyperv.optional().describe('The Hyper-V interface; none when absent'),
  append: text(APPEND_MAX).optional().describe('Command line of the kernel'),
  initrd: text(PATH_MAX).optional().describe('Initial RAM disk'),
  devices: virtualDevices.optional().describe('Virtio devices, in the order in which the guest finds them'),
  testdev: flag.optional().describe('Devices that images of the kvm-unit-tests family look for'),
  load: loadSchema.optional().describe('Job to start with, for workload guests'),
  autostart: flag.optional().describe('Whether it is started when it is created'),
  policies: ownSettings.optional().describe('Settings of its own, of policies that allow it'),
  scheduling: scheduling.optional().describe('Its share of the machine, for each of its VPs'),
})
  .superRefine((partition, context) => {
    refineBoot(partition, context);
    refineProcessors(partition, context);
  })
  // What is read as its image is the ROM.
  .transform(({ bios, image, ...rest }) => ({ ...rest, image: bios ?? image ?? '', ...(bios === undefined ? {} : { bios }) }));

/** Defaults of a machine without a file. */
export const MACHINE_DEFAULTS = {
  lps: 2,
  nodes: 1,
  clock: 'quantum',
  seed: 1,
  quantumCycles: 1_600_000,
  frequencyHz: 1_000_000_000,
  idle: 'pace',
  pin: true,
} as const satisfies Partial<MachineConfig>;

export const lpsSchema = integer(1, MAX_LPS);
export const nodesSchema = integer(1, MAX_NODES);
export const seedSchema = integer(0, 2 ** 32 - 1);

/** Cycles from one rise of a device's line to the next; below some thousand an LP would do nothing else. */
export const periodSchema = z.union([z.literal(0), integer(5_000, 2 ** 32 - 1)], {
  error: (issue) => `expected 0 or 5000 to 4294967295 cycles, got ${show(issue.input)}`,
});
const deviceSchema: z.ZodType<DeviceConfig> = strict({
  name: nameSchema,
  lp: integer(0, MAX_LPS - 1),
  trigger: choice(['edge', 'level']),
  // Below are exceptions, above the hypervisor's own.
  vector: integer(0x20, 0xdf),
  partition: nameSchema,
  vp: integer(0, MAX_VPS - 1),
  guestVector: integer(0x20, 0xff),
  period: periodSchema.optional(),
});

export const machineSchema: z.ZodType<MachineConfig> = strict({
  lps: lpsSchema.default(MACHINE_DEFAULTS.lps).describe('Logical processors: simulated physical processors, each a thread of the host'),
  nodes: nodesSchema.default(MACHINE_DEFAULTS.nodes).describe('NUMA nodes'),
  clock: choice(['deterministic', 'quantum', 'realtime'])
    .default(MACHINE_DEFAULTS.clock)
    .describe('deterministic: the same course each time; quantum: LPs in parallel, none far ahead; realtime: by the clock of the host'),
  seed: seedSchema.default(MACHINE_DEFAULTS.seed).describe('Of everything random'),
  quantumCycles: integer(1_000, 1_000_000_000).default(MACHINE_DEFAULTS.quantumCycles).describe('Cycles by which LPs may be apart'),
  frequencyHz: integer(1_000_000, 2 ** 32 - 1)
    .default(MACHINE_DEFAULTS.frequencyHz)
    .describe('Virtual cycles in a second'),
  idle: choice(['skip', 'pace'])
    .default(MACHINE_DEFAULTS.idle)
    .describe('When every VP is idle: virtual time is skipped, or paced to the clock of the host'),
  pin: flag.default(MACHINE_DEFAULTS.pin).describe('Whether each LP is bound to a core of the host'),
  partitions: list(partitionSchema, PARTITION_SLOTS).default([]).describe('Guests to begin with'),
  policies: policySettings.default({}).describe('Mechanisms that can be switched (hvd policy list)'),
  devices: list(deviceSchema, DEVICE_LINES).optional().describe('Test devices with an interrupt line each'),
}).superRefine((machine, context) => {
  const taken = new Set<string>();
  for (const [index, { name, lp, vector, partition, vp, guestVector }] of (machine.devices ?? []).entries()) {
    const refuse = (key: string, message: string): void => context.addIssue({ code: 'custom', path: ['devices', index, key], message });
    if (lp >= machine.lps) refuse('lp', `expected 0 to ${machine.lps - 1}, got ${lp}`);
    for (const [key, what] of [
      ['name', name],
      ['vector', `vector ${vector} of LP ${lp}`],
      ['guestVector', `vector ${guestVector} of VP ${vp} of ${partition}`],
    ] as const) {
      if (taken.has(`${key} ${what}`)) refuse(key, `expected one that no other device has, ${what} is taken`);
      taken.add(`${key} ${what}`);
    }
  }
  if (machine.nodes > machine.lps) {
    context.addIssue({
      code: 'custom',
      path: ['nodes'],
      message: `expected at most one node an LP (${machine.lps}), got ${machine.nodes}`,
    });
  }
  const names = new Set<string>();
  for (const [index, partition] of machine.partitions.entries()) {
    if (names.has(partition.name)) {
      context.addIssue({
        code: 'custom',
        path: ['partitions', index, 'name'],
        message: `expected a name of its own, ${partition.name} is taken`,
      });
    }
    names.add(partition.name);
  }
});
