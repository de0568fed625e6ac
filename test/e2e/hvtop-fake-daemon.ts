// A daemon that only pretends: the control socket with a FakeMachine behind it. As a program: `node hvtop-fake-daemon.js SOCKET [LPS]`.
import { rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { bodyOf, HvdError } from '../../shared/protocol/errors.js';
import { encodeFrame, FrameReader, isRecord } from '../../shared/protocol/frames.js';
import { PROTOCOL_VERSION } from '../../shared/protocol/messages.js';
import { findPolicy, settingOf } from '../../shared/protocol/policies.js';
import { FakeMachine } from './hvtop-fake-machine.js';

const EVENT_MS = 100;

export interface FakeDaemon {
  readonly machine: FakeMachine;
  close(): Promise<void>;
}

/** Its machine goes with the time. */
export const startFakeDaemon = (socket: string, lps: number, pid = process.pid): Promise<FakeDaemon> => start(socket, lps, pid, false);
/** Its machine does the same each time: twenty seconds of samples as soon as somebody asks for the first one, and then it stands still. For one client. */
export const startStandingDaemon = (socket: string, lps: number, pid: number): Promise<FakeDaemon> => start(socket, lps, pid, true);

const STANDING_SAMPLES = 40;
const SAMPLE_MS = 500;

async function start(socket: string, lps: number, pid: number, isStanding: boolean): Promise<FakeDaemon> {
  rmSync(socket, { force: true });
  const machine = new FakeMachine(lps, pid);
  const peers = new Set<Socket>();
  const eventPeers = new Set<Socket>();
  const started = performance.now();
  const catchUp = (): void => {
    if (!isStanding) machine.advance(Math.floor(performance.now() - started) - machine.stats.at);
  };
  /** All that it ever does. */
  const perform = (peer: Socket): void => {
    // The first one again: it is the first whether the answer or this is seen first.
    peer.write(encodeFrame({ ev: 'stats', d: machine.stats }));
    for (let n = 1; n <= STANDING_SAMPLES; n++) {
      if (n === STANDING_SAMPLES / 2) machine.stats.policies['vtlb.lock'] = 'global';
      machine.advance(SAMPLE_MS);
      peer.write(encodeFrame({ ev: 'events', d: machine.takeEvents() }));
      peer.write(encodeFrame({ ev: 'stats', d: machine.stats }));
    }
  };
  const timers = new Set<NodeJS.Timeout>();
  const repeat = (ms: number, action: () => void): NodeJS.Timeout => {
    const timer = setInterval(action, ms);
    timers.add(timer);
    return timer;
  };
  repeat(EVENT_MS, () => {
    catchUp();
    const events = machine.takeEvents();
    // A frame without events says that it is still there.
    if (events.length > 0 || isStanding) for (const peer of eventPeers) peer.write(encodeFrame({ ev: 'events', d: events }));
  });
  const server = createServer((peer) => {
    peers.add(peer);
    let stats: NodeJS.Timeout | undefined;
    const reader = new FrameReader();
    peer.on('error', () => {});
    peer.on('close', () => {
      peers.delete(peer);
      eventPeers.delete(peer);
      clearInterval(stats);
    });
    peer.on('data', (chunk: Buffer) => {
      for (const frame of reader.take(chunk)) {
        if (!isRecord(frame)) continue;
        const params = isRecord(frame.p) ? frame.p : {};
        const answer = (r: unknown): void => void peer.write(encodeFrame({ id: frame.id, r }));
        const refuse = (error: unknown): void => void peer.write(encodeFrame({ id: frame.id, e: bodyOf(error) }));
        catchUp();
        const { name } = params as { name: string };
        if (frame.m === 'hello') answer({ version: PROTOCOL_VERSION, server: 'fake', pid });
        else if (frame.m === 'stats') {
          answer(machine.stats);
          if (isStanding && machine.stats.at === 0) perform(peer);
        } else if (frame.m === 'interrupts') answer(machine.interrupts(params.log as { partition: string; vp: number } | undefined));
        else if (frame.m === 'vm.inspect.vtlb') answer(machine.vtlb());
        else if (frame.m === 'vm.inspect') answer(machine.inspect(name));
        else if (frame.m === 'vm.console.read') answer(machine.console(name, params.position as number));
        else if (frame.m === 'policy.set') {
          try {
            settingOf(findPolicy(name), params.value as string);
            machine.stats.policies[name] = params.value as string;
            answer({});
          } catch (error) {
            refuse(error);
          }
        } else if (frame.m === 'load.set') answer(machine.setLoad(name, params.job as string, params.parameters, params.vps));
        else if (frame.m === 'load.stop') answer(machine.setLoad(name, 'idle', {}, params.vps));
        else if (frame.m === 'subscribe') {
          if (params.log === true) peer.write(encodeFrame({ ev: 'log', d: { records: machine.log, lost: 0 } }));
          if (params.events === true) eventPeers.add(peer);
          if (params.events === false) eventPeers.delete(peer);
          if (typeof params.stats === 'number' && !isStanding) {
            clearInterval(stats);
            stats = repeat(1000 / params.stats, () => {
              catchUp();
              peer.write(encodeFrame({ ev: 'stats', d: machine.stats }));
            });
          }
          answer({});
        } else refuse(new HvdError('request.unknown', { method: String(frame.m) }));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return {
    machine,
    close: async () => {
      for (const timer of timers) clearInterval(timer);
      for (const peer of peers) peer.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

const [, script, socket, lps] = process.argv;
if (script?.endsWith('hvtop-fake-daemon.js') && socket !== undefined) {
  await startFakeDaemon(socket, Number(lps ?? 4));
  process.on('SIGTERM', () => process.exit(0));
}
