// A running daemon as a stage, over its socket, with others who look on. Its machine does not stand still for anybody: moments are late by what a request takes.
import { setTimeout as sleep } from 'node:timers/promises';
import type { HvdClient } from '../../../shared/client/client.js';
import { HvdError } from '../../../shared/protocol/errors.js';
import type { Deed, MachineStats, Requests } from '../../../shared/protocol/messages.js';
import { INHERIT } from '../../../shared/protocol/policies.js';
import { imageName } from '../../root/config/images.js';
import { formatSize } from '../../root/config/size.js';
import type { Script } from '../script/script.js';
import type { Hands, Stage } from './stage.js';

const SLEEP_MAX_MS = 50;
/** Longest wait for the first VP to run after something was done: until then clocks may leap over time in which nobody ran. */
const WAKE_MS = 1000;

export class LiveStage implements Stage {
  readonly frequencyHz: number;
  readonly #hvd: HvdClient;
  readonly #signal: AbortSignal;
  /** The machine's clock when what was due at `cycle` had been done: what comes next counts from there. */
  #base: { readonly cycle: number; readonly clock: number };
  /** What was there before, of what has been changed. */
  readonly #policies = new Map<string, { readonly name: string; readonly vm?: string; readonly value: string }>();
  readonly #created = new Set<string>();
  readonly #destroyed = new Set<string>();
  readonly #loaded = new Set<string>();

  /** Heard of often: cycles of the script that the machine's clock has come to. */
  onPassed: ((cycle: number) => void) | undefined;

  /** Throws script.partition: a partition that the script would make is there, and is another one. */
  static async join(hvd: HvdClient, signal: AbortSignal, script: Pick<Script, 'name' | 'partitions'>): Promise<LiveStage> {
    checkPartitions(script, await hvd.request('vm.list', {}));
    return new LiveStage(hvd, await hvd.request('stats', {}), signal);
  }
  private constructor(hvd: HvdClient, stats: MachineStats, signal: AbortSignal) {
    this.#hvd = hvd;
    this.#signal = signal;
    this.frequencyHz = stats.frequencyHz;
    this.#base = { cycle: 0, clock: clockOf(stats) };
  }

  async at<T>(cycle: number, act: (hands: Hands) => Promise<T>): Promise<T> {
    await this.#until(this.#base.clock + cycle - this.#base.cycle);
    const result = await act({ stats: () => this.#hvd.request('stats', {}), carryOut: (deed) => this.#carryOut(deed) });
    this.#base = { cycle, clock: await this.#awake() };
    return result;
  }

  /** The machine's clock has come to `clock`. While nobody is ready to run no clock goes on: then the host's is looked at. */
  async #until(clock: number): Promise<void> {
    let before: { readonly clock: number; readonly at: number } | undefined;
    let restedAt: number | undefined;
    for (;;) {
      this.#signal.throwIfAborted();
      const stats = await this.#hvd.request('stats', {});
      const at = performance.now();
      const left = clock - clockOf(stats);
      this.onPassed?.(this.#base.cycle + clockOf(stats) - this.#base.clock);
      restedAt = isAnybodyReady(stats) ? undefined : (restedAt ?? at);
      if (left <= 0 || (restedAt !== undefined && restedAt !== at && at - restedAt >= (left / this.frequencyHz) * 1e3)) return;
      const speed = before === undefined || at === before.at ? this.frequencyHz / 1e3 : (clockOf(stats) - before.clock) / (at - before.at);
      before = { clock: clockOf(stats), at };
      await this.#sleep(Math.min(SLEEP_MAX_MS, Math.max(1, speed > 0 ? left / speed / 2 : SLEEP_MAX_MS)));
    }
  }

  /** The clock once somebody runs, or it is clear that nobody will. */
  async #awake(): Promise<number> {
    const since = performance.now();
    for (;;) {
      const stats = await this.#hvd.request('stats', {});
      if (stats.lps.some(({ vp }) => vp !== null) || !isAnybodyReady(stats) || performance.now() - since >= WAKE_MS) return clockOf(stats);
      await this.#sleep(1);
    }
  }

  async #sleep(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#signal }).catch(() => this.#signal.throwIfAborted());
  }

  async #carryOut(deed: Deed): Promise<void> {
    const hvd = this.#hvd;
    switch (deed.kind) {
      case 'create': {
        const { partitions } = await hvd.request('stats', {});
        const { name } = deed.config;
        if (partitions.some((one) => one.name === name)) return;
        await hvd.request('vm.create', { ...deed.config, autostart: false });
        this.#created.add(name);
        if (deed.config.autostart !== false) await hvd.request('vm.start', { name });
        return;
      }
      case 'verb':
        await hvd.request(`vm.${deed.verb}`, { name: deed.vm });
        if (deed.verb !== 'destroy') return;
        this.#created.delete(deed.vm);
        this.#destroyed.add(deed.vm);
        this.#loaded.delete(deed.vm);
        return;
      case 'policy': {
        const { name, value } = deed;
        const of = deed.vm === undefined ? { name } : { name, vm: deed.vm };
        const key = JSON.stringify(of);
        if (!this.#policies.has(key)) {
          const before = await hvd.request('policy.get', of);
          this.#policies.set(key, { ...of, value: before.own === false ? INHERIT : before.value });
        }
        await hvd.request('policy.set', { ...of, value });
        return;
      }
      case 'load':
        await hvd.request('load.set', { name: deed.vm, ...deed.load });
        this.#loaded.add(deed.vm);
        return;
      case 'idle':
        await hvd.request('load.stop', { name: deed.vm });
    }
  }

  /** Puts policies back, stops what it has set going, and takes away what it has made. Returns what could not be done. */
  async restore(): Promise<unknown[]> {
    const failures: unknown[] = [];
    const attempt = (request: Promise<unknown>): Promise<void> =>
      request.then(() => {}).catch((error: unknown) => void failures.push(error));
    const kept = [...this.#policies.values()].filter(({ vm }) => vm === undefined || !(this.#created.has(vm) || this.#destroyed.has(vm)));
    for (const before of kept) await attempt(this.#hvd.request('policy.set', before));
    for (const name of this.#loaded) if (!this.#created.has(name)) await attempt(this.#hvd.request('load.stop', { name }));
    for (const name of this.#created) await attempt(this.#hvd.request('vm.destroy', { name }));
    return failures;
  }
}

/** Throws script.partition. Image, VPs and memory are what a script's numbers are about; what else its file says is of a partition that it makes: one that is there goes on as it is. */
export const checkPartitions = ({ name: script, partitions }: Pick<Script, 'name' | 'partitions'>, there: Requests['vm.list'][1]): void => {
  for (const { name, image, vps, memory } of partitions) {
    const one = there.find((other) => other.name === name);
    if (one === undefined) continue;
    const differ = (field: string, expected: string, actual: string): void => {
      if (expected !== actual) throw new HvdError('script.partition', { script, name, field, expected, actual });
    };
    differ('image', imageName(image), imageName(one.image));
    differ('vps', String(vps), String(one.vps));
    differ('memory', formatSize(memory), formatSize(one.memory));
  }
};

const clockOf = ({ lps }: MachineStats): number => Math.max(...lps.map(({ clock }) => clock));

const isAnybodyReady = ({ partitions }: MachineStats): boolean =>
  partitions.some(({ state, vps }) => state === 'running' && vps.some((vp) => vp.state === 'ready' || vp.state === 'running'));
