// The endpoint for Prometheus: real HTTP, the format read by a parser of its own, values beside the statistics that they come from; and who may reach it.
import { existsSync } from 'node:fs';
import { request } from 'node:http';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import test from 'ava';
import { startDaemon } from '../../daemon/root/daemon.js';
import { silentLog } from '../../daemon/root/log.js';
import { metricsAddress } from '../../daemon/root/metrics/address.js';
import { exportedName, METRICS } from '../../daemon/root/metrics/catalogue.js';
import { expositionOf } from '../../daemon/root/metrics/exposition.js';
import { MetricsServer } from '../../daemon/root/metrics/server.js';
import { HvdError } from '../../shared/protocol/errors.js';
import { parseExposition } from '../rig/exposition.js';
import { STUB_LP, type StubDaemon, startStubDaemon, stubConfig, stubPartition } from '../rig/stub-daemon.js';

const withMetrics = async (
  where: (folder: string) => string,
  work: (metrics: MetricsServer, daemon: StubDaemon) => Promise<void>,
): Promise<void> => {
  const daemon = await startStubDaemon();
  try {
    const metrics = await MetricsServer.listen(metricsAddress(where(daemon.folder), false), daemon.machine, silentLog());
    try {
      await daemon.machine.add(stubPartition('a', { vps: 2 }));
      await daemon.machine.add(stubPartition('b', { autostart: false }));
      await work(metrics, daemon);
    } finally {
      await metrics.close();
    }
  } finally {
    await daemon.end();
  }
};

test('what is there is served by HTTP in the exposition format, with the values of the statistics', async (t) => {
  await withMetrics(
    () => '0',
    async (metrics, { machine }) => {
      const response = await fetch(`http://${metrics.address}/metrics`);
      t.is(response.status, 200);
      t.is(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
      const families = parseExposition(await response.text());
      t.deepEqual([...families.keys()].sort(), METRICS.map(exportedName).sort());
      for (const [name, { type, help }] of families) {
        t.is(type === 'counter', name.endsWith('_total'), name);
        t.true(help.length > 10, name);
        t.regex(name, /^hvd_[a-z_]+$/);
      }
      await machine.enter('vm.pause', { name: 'a' });
      const again = parseExposition(await (await fetch(`http://${metrics.address}/metrics`)).text());
      const stats = machine.stats();
      const value = (name: string, labels: string): number | undefined => again.get(name)!.samples.get(labels);
      for (const { id, instructions, runCycles, counters } of stats.partitions[0]!.vps) {
        t.true(instructions > 0);
        t.is(value('hvd_vp_instructions_total', `partition=a,vp=${id}`), instructions);
        t.is(value('hvd_vp_time_cycles_total', `partition=a,state=run,vp=${id}`), runCycles);
        for (const [event, count] of Object.entries(counters))
          t.is(value('hvd_vp_events_total', `event=${event},partition=a,vp=${id}`), count);
      }
      t.is(value('hvd_partition_state', 'partition=b,state=created'), 1);
      t.is(value('hvd_partition_memory_bytes', 'partition=b'), 8 << 20);
      t.is(value('hvd_policy', 'policy=vtlb.lock,value=generation'), 1);
      t.is(value('hvd_machine_frequency_hertz', ''), 1e9);
      t.deepEqual(
        [...again.get('hvd_lp_state')!.samples.keys()].map((key) => key.split(',')[0]),
        ['lp=0', 'lp=1'],
      );
      t.true(value('hvd_daemon_resident_memory_bytes', '')! > 1e7);
    },
  );
});

test('every counter of the statistics is exported, and none is lost to a label', async (t) => {
  await withMetrics(
    () => '0',
    async (_, { machine }) => {
      await machine.enter('vm.pause', { name: 'a' });
      const stats = machine.stats();
      const families = parseExposition(await expositionOf({ stats, version: '1', residentBytes: 1 }));
      const [a] = stats.partitions;
      const counted = (name: string): number => families.get(name)!.samples.size;
      t.is(
        counted('hvd_lp_intercepts_total'),
        stats.lps.reduce((sum, { intercepts }) => sum + Object.keys(intercepts).length, 0),
      );
      t.is(counted('hvd_partition_vtlb_events_total') + counted('hvd_partition_vtlb_entries'), 2 * Object.keys(a!.vtlb).length);
      t.is(counted('hvd_vp_spin_events_total') + counted('hvd_vp_spin_cycles_total'), 3 * Object.keys(a!.vps[0]!.spin).length);
    },
  );
});

test('names and reasons that a user has chosen cannot break the format; nor numbers that a guest has', async (t) => {
  await withMetrics(
    () => '0',
    async (_, { machine }) => {
      const stats = machine.stats();
      const [partition] = stats.partitions;
      const load = {
        vp: 0,
        job: 'a "b"\\\n{}',
        operations: Number.MAX_VALUE,
        latencySum: Number.NaN,
        latencyP99: 0,
        latencyMax: 0,
        latencyCount: -1,
        request: 2,
        errors: -1,
        parameters: {},
      };
      const hostile = { ...stats, partitions: [{ ...partition!, name: 'x"\n# TYPE', load: [load] }] };
      const families = parseExposition(await expositionOf({ stats: hostile, version: '"', residentBytes: 1 }));
      t.is(families.get('hvd_load_operations_total')!.samples.size, 1);
      t.deepEqual([...families.get('hvd_load_latency_cycles_total')!.samples.values()], [0]);
    },
  );
});

test('other paths, methods and rubbish are answered and cost nothing', async (t) => {
  await withMetrics(
    () => '127.0.0.1:0',
    async (metrics) => {
      const at = `http://${metrics.address}`;
      t.is((await fetch(`${at}/`)).status, 404);
      t.is((await fetch(`${at}/metricsx`)).status, 404);
      const post = await fetch(`${at}/metrics`, { method: 'POST', body: 'x'.repeat(100_000) });
      t.is(post.status, 405);
      t.is(post.headers.get('allow'), 'GET, HEAD');
      const head = await fetch(`${at}/metrics`, { method: 'HEAD' });
      t.is(head.status, 200);
      t.true(Number(head.headers.get('content-length')) > 1000);
      t.is(await head.text(), '');
      t.is((await fetch(`${at}/metrics?name[]=x`)).status, 200);
      const [host, port] = metrics.address.split(':');
      const answer = await new Promise<string>((resolve) => {
        const socket = connectTcp(Number(port), host);
        let text = '';
        socket.on('data', (chunk) => {
          text += chunk;
        });
        socket.on('close', () => resolve(text));
        socket.on('error', () => {});
        socket.write('\x00\x01 nonsense\r\n\r\n');
      });
      t.regex(answer, /^HTTP\/1\.1 400 /);
      const all = await Promise.all(Array.from({ length: 10 }, async () => (await fetch(`${at}/metrics`)).status));
      t.deepEqual(all, Array(10).fill(200));
    },
  );
});

test('a Unix socket serves them too, and is gone afterwards', async (t) => {
  let path = '';
  await withMetrics(
    (folder) => {
      path = join(folder, 'metrics.sock');
      return path;
    },
    async (metrics) => {
      t.is(metrics.address, path);
      const text = await new Promise<string>((resolve, reject) => {
        request({ socketPath: path, path: '/metrics' }, (response) => {
          let body = '';
          response.on('data', (chunk) => {
            body += chunk;
          });
          response.on('end', () => resolve(body));
        })
          .on('error', reject)
          .end();
      });
      t.true(parseExposition(text).size > 20);
    },
  );
  t.false(existsSync(path));
});

test('an address is a port, a host with one, or a path; other hosts only where they are meant', (t) => {
  const taken = (text: string, isPublic = false) => metricsAddress(text, isPublic);
  t.deepEqual(taken('9464'), { host: '127.0.0.1', port: 9464 });
  t.deepEqual(taken('localhost:1'), { host: '127.0.0.1', port: 1 });
  t.deepEqual(taken('127.1.2.3:1'), { host: '127.1.2.3', port: 1 });
  t.deepEqual(taken('[::1]:1'), { host: '::1', port: 1 });
  t.deepEqual(taken('/run/hvd/m.sock'), { path: '/run/hvd/m.sock' });
  t.deepEqual(taken('0.0.0.0:1', true), { host: '0.0.0.0', port: 1 });
  t.deepEqual(taken('[::]:1', true), { host: '::', port: 1 });
  const refused = (text: string, message: RegExp, isPublic = false): void => {
    const error = t.throws(() => taken(text, isPublic), { instanceOf: HvdError }, text);
    t.is(error.code, 'usage');
    t.regex(error.message, message);
  };
  for (const open of ['0.0.0.0:1', '[::]:1', '192.168.1.1:1', '[fe80::1]:1', '[::ffff:10.0.0.1]:1', '[::10]:1', '[1::1]:1'])
    refused(open, /^--metrics: .* can be reached by other hosts, and there is no password: --metrics-public allows it$/);
  refused('65536', /^--metrics: 65536 is no port; the last one is 65535$/);
  refused('host.example:1', /^--metrics: expected localhost or an IP address as host, got "host\.example"$/, true);
  for (const nothing of ['', 'x', ':1', '1:2:3', '127.0.0.1:', '127.0.0.1:x']) refused(nothing, /^--metrics: expected /, true);
});

test('a daemon whose metrics cannot be served does not start, and leaves nothing', async (t) => {
  await withMetrics(
    () => '0',
    async (metrics, { folder }) => {
      const socket = join(folder, 'other.sock');
      const error = await t.throwsAsync(
        startDaemon({
          config: stubConfig(),
          log: silentLog(),
          workerFile: STUB_LP,
          socket,
          metrics: metricsAddress(metrics.address, false),
        }),
        { instanceOf: HvdError },
      );
      t.is(error.code, 'socket.failed');
      t.false(existsSync(socket));
    },
  );
});
