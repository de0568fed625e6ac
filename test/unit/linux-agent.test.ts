// The agent of Linux guests, here as a program of the host's own Linux with pipes for its port; and what root makes of what an agent says.
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { AgentPort } from '../../daemon/root/loads/agent-port.js';
import { loadMistake } from '../../daemon/root/loads/loads.js';
import { packageRoot } from '../../daemon/root/package-root.js';
import { PartitionBody } from '../../daemon/root/partition-body.js';
import { deviceBytesOf, writeDevices } from '../../shared/devices/partition-devices.js';
import {
  AGENT_JOBS,
  AGENT_PARAMETERS,
  AGENT_THREADS_MAX,
  AGENT_VPS,
  type AgentReport,
  agentOrder,
  agentReports,
  reportBytes,
} from '../../shared/layout/agent-jobs.js';
import { AGENT_BYTES, ConsoleBufferLayout } from '../../shared/layout/console-buffer.js';
import { JOBS } from '../../shared/layout/job-page.js';
import { PartitionMap, RAM_MIN } from '../../shared/layout/partition.js';
import { ByteLog, ByteQueue } from '../../shared/layout/ring.js';

const declare = process.platform === 'linux' && process.arch === 'x64' ? test.serial : test.serial.skip;

/** The agent with pipes for its port. */
class Agent {
  readonly process: ChildProcess;
  readonly ended: Promise<number | null>;
  #text = '';
  #heard = (): void => undefined;

  constructor(t: ExecutionContext) {
    this.process = spawn(join(packageRoot(), 'configs/guests/agent/agent64.elf'), ['by-pipes'], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.process.stdout!.on('data', (bytes: Buffer) => {
      this.#text += bytes.toString('latin1');
      this.#heard();
    });
    this.ended = new Promise((resolve) => this.process.on('exit', resolve));
    t.teardown(() => this.process.kill());
  }
  say(text: string): void {
    this.process.stdin!.write(text);
  }
  /** Once VP 0's last report is like that. */
  async report(isIt: (report: AgentReport) => boolean): Promise<AgentReport> {
    for (;;) {
      const report = agentReports(this.#text, AGENT_VPS).get(0);
      if (report !== undefined && isIt(report)) return report;
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
    }
  }
  async end(): Promise<number | null> {
    this.process.stdin!.end();
    return this.ended;
  }
}

declare('the agent does the jobs it is told, one after the other, and counts them', async (t) => {
  const agent = new Agent(t);
  const idle = await agent.report(() => true);
  t.like(idle, { job: AGENT_JOBS.idle.number, operations: 0, errors: 0 });
  for (const [name, parameters] of [
    ['fork', [4]],
    ['pipe', [1, 0]],
    ['pipe', [4096, 1]],
    ['fault', [8, 0]],
    ['fault', [8, 1]],
    ['lock', [10, 10, 3]],
  ] as const) {
    const { number } = AGENT_JOBS[name];
    agent.say(agentOrder(0, number, parameters));
    const report = await agent.report(({ job, operations }) => job === number && operations >= 3);
    t.is(report.errors, 0, name);
    // It goes on while its counters are read, one after the other.
    t.true(report.latencyCount >= report.operations && report.latencyMax > 0 && report.latencySum > 0, name);
    t.true(report.latencyP99 <= report.latencyMax * 1.25 + 4, name);
    agent.say(agentOrder(0, AGENT_JOBS.idle.number, []));
    t.like(await agent.report(({ job }) => job === AGENT_JOBS.idle.number), { operations: 0, latencySum: 0 });
  }
  t.is(await agent.end(), 0);
});

declare('what an agent cannot do is an error that is counted, and it goes on; what it does not understand it passes over', async (t) => {
  const agent = new Agent(t);
  agent.say(agentOrder(0, AGENT_JOBS.lock.number, [1, 1, AGENT_THREADS_MAX + 1]));
  t.like(await agent.report(({ errors }) => errors > 0), { job: AGENT_JOBS.lock.number, operations: 0 });
  agent.say(`s\nx 0 1\ns ffffffff 1\ns 0 99\n${'s'.repeat(5000)}\n\n`);
  agent.say(agentOrder(0, AGENT_JOBS.pipe.number, [1]).slice(0, 3));
  agent.say(agentOrder(0, AGENT_JOBS.pipe.number, [1]).slice(3));
  t.is((await agent.report(({ job, operations }) => job === AGENT_JOBS.pipe.number && operations > 0)).errors, 0);
  t.is(await agent.end(), 0);
});

declare('nobody works for an agent that is gone', async (t) => {
  const agent = new Agent(t);
  agent.say(agentOrder(0, AGENT_JOBS.lock.number, [1, 1, 3]));
  await agent.report(({ operations }) => operations > 0);
  // Whoever holds the pipe's other end lives.
  const closed = new Promise((resolve) => agent.process.stdout!.on('close', resolve));
  agent.process.kill('SIGKILL');
  await closed;
  t.pass();
});

test('no job of the agent has the name of one of the workload guest but idle, and its parameters find room', (t) => {
  t.deepEqual(
    Object.keys(AGENT_JOBS).filter((name) => Object.hasOwn(JOBS, name)),
    ['idle'],
  );
  t.deepEqual(
    Object.values(AGENT_JOBS).map(({ number }) => number),
    [...Object.keys(AGENT_JOBS).keys()],
  );
  for (const { parameters } of Object.values(AGENT_JOBS)) t.true(Object.keys(parameters).length <= AGENT_PARAMETERS);
});

const bodyWithConsole = (vps: number): { body: PartitionBody; out: ByteLog; into: ByteQueue } => {
  const specs = [{ kind: 'console' }] as const;
  const body = new PartitionBody('linux', RAM_MIN, vps, deviceBytesOf(specs));
  const buffer = PartitionMap.RAM + RAM_MIN;
  writeDevices(body.views, specs, buffer);
  const out = new ByteLog(body.views, buffer + ConsoleBufferLayout.at.out, AGENT_BYTES);
  return { body, out, into: new ByteQueue(body.views, buffer + ConsoleBufferLayout.at.in, AGENT_BYTES) };
};
const say = (log: ByteLog, text: string): void => {
  for (const byte of Buffer.from(text)) log.append(byte);
};

test('the last report of each VP counts; what is no report, or is of a VP that there is not, does not', (t) => {
  const { body, out } = bodyWithConsole(2);
  t.is(AgentPort.of(body), undefined);
  say(out, 'hello\nr 0 1 2\nr 7 1 1 1 1 1 1 0 1 0 0 0 0\nr 0 1 zz 1 1 1 1 0 1 0 0 0 0\n');
  t.is(AgentPort.of(body), undefined);
  say(out, 'r 1 1 a 14 2 3 a 0 1 0 0 0 0\nr 0 63 ff ff ff ff ff 1 2 5 6 7 8\nr 1 4 b 1 1 1 1 0 3 40 1 0 0\nr 0 1 1 1 1 1');
  const counters = { latencySum: 255, latencyP99: 255, latencyMax: 255, latencyCount: 255 };
  t.deepEqual(AgentPort.of(body)?.counters(), [
    { vp: 0, job: 'job 99', operations: 255, ...counters, errors: 1, request: 2, parameters: {} },
    {
      vp: 1,
      job: 'fault',
      operations: 11,
      latencySum: 1,
      latencyP99: 1,
      latencyMax: 1,
      latencyCount: 1,
      errors: 0,
      request: 3,
      parameters: { pages: 64, shared: 1 },
    },
  ]);
});

test('a report is found however long its lines are and however much was said before', (t) => {
  const { body, out } = bodyWithConsole(AGENT_VPS);
  const line = (vp: number): string => `r ${vp.toString(16)} ffffffff${' ffffffffffffffff'.repeat(5)}${' ffffffff'.repeat(6)}\n`;
  const all = Array.from({ length: AGENT_VPS }, (_, vp) => line(vp)).join('');
  t.true(all.length < reportBytes(AGENT_VPS));
  for (let round = 0; round < 5; round++) say(out, all);
  say(out, line(0).slice(0, 70));
  t.deepEqual(
    AgentPort.of(body)
      ?.counters()
      .map(({ vp }) => vp),
    Array.from({ length: AGENT_VPS }, (_, vp) => vp),
  );
});

test('an agent that reads nothing is told no more than there is room for, whole lines only', (t) => {
  const { body, out, into } = bodyWithConsole(AGENT_VPS);
  say(out, 'r 0 0 0 0 0 0 0 0 0 0 0 0 0\n');
  const port = AgentPort.of(body) as AgentPort;
  const job = { vps: [...body.vps.keys()], job: AGENT_JOBS.fault.number, parameters: [0xffff_ffff, 1] };
  const error = t.throws(() => {
    for (;;) port.give('linux', job);
  });
  t.is(error?.message, 'linux: its agent has not read what it was told before');
  const lines = Buffer.from(into.take()).toString().split('\n');
  t.is(lines.pop(), '');
  t.is(lines.length % AGENT_VPS, 0);
  t.is(lines.at(-1), 's 3f 4 ffffffff 1 0 0');
});

test('a load that makes no sense for a partition is refused in a line', (t) => {
  const said = (load: Parameters<typeof loadMistake>[1], devices: Parameters<typeof loadMistake>[0]['devices'] = [{ kind: 'console' }]) =>
    loadMistake({ name: 'linux', vps: 2, devices }, load)?.error.message;
  t.is(said({ job: 'fork' }), undefined);
  t.is(said({ job: 'fork' }, []), 'linux has no virtio console, by which an agent in it would be told of fork');
  t.is(said({ job: 'spinlock' }, []), undefined);
  t.is(said({ job: 'forks' }, []), `no job named forks; there are ${Object.keys(JOBS).join(', ')}`);
  t.regex(said({ job: 'forks' }) ?? '', /^no job named forks; there are .*fork.*spinlock/);
  t.is(said({ job: 'fault', parameters: { page: 1 } }), 'fault has no parameter page; it has pages, shared');
  t.is(said({ job: 'exec', parameters: { page: 1 } }), 'exec has no parameter page; it has none');
  t.is(said({ job: 'pipe', vps: [2] }), 'linux has VPs 0..1, not 2');
});
