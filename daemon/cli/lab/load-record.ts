// hvd load record: writes down what is done to a daemon's machine, by hand in hvtop or by commands, as a load script.
import { renameSync, writeFileSync } from 'node:fs';
import { basename, extname, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '../../../shared/client/client.js';
import { HvdError, reasonOf } from '../../../shared/protocol/errors.js';
import type { Events } from '../../../shared/protocol/messages.js';
import { scriptTextOf } from '../../lab/script/script-text.js';
import { imageName } from '../../root/config/images.js';
import { onSignal } from '../signals.js';
import type { ClientFlags } from '../with-daemon.js';

export interface LoadRecordFlags extends ClientFlags {
  readonly output: string;
  readonly seconds?: string;
}

/** Deeds that are kept: whoever does more by hand has another plan. */
const DEEDS_MAX = 10_000;

export const loadRecord = async (flags: LoadRecordFlags): Promise<void> => {
  const seconds = flags.seconds === undefined ? undefined : Number(flags.seconds);
  if (seconds !== undefined && !(seconds > 0 && seconds <= 86_400))
    throw new HvdError('usage', { what: `--seconds: expected a number up to 86400, got ${JSON.stringify(flags.seconds)}` });
  const controller = new AbortController();
  const stopListening = onSignal(() => controller.abort());
  const hvd = await connect({ socket: flags.socket });
  try {
    const deeds: Events['deed'][] = [];
    hvd.on('deed', (deed) => {
      deeds.push(deed);
      if (deeds.length >= DEEDS_MAX) controller.abort();
    });
    hvd.on('closed', () => controller.abort());
    const { partitions, frequencyHz } = await hvd.request('stats', {});
    await hvd.request('subscribe', { deeds: true });
    process.stderr.write(
      `hvd: recording what is done to the machine; ${seconds === undefined ? 'Ctrl-C' : `${seconds} s, or Ctrl-C,`} ends it\n`,
    );
    await sleep(seconds === undefined ? 2 ** 31 - 1 : seconds * 1000, undefined, { signal: controller.signal }).catch(() => undefined);
    const last = hvd.closed ? undefined : await hvd.request('stats', {});
    const end = last === undefined ? deeds.at(-1) : { clock: Math.max(...last.lps.map(({ clock }) => clock)), at: last.at };
    if (deeds.length === 0 || end === undefined) throw new HvdError('script.nothing');
    const file = resolve(flags.output);
    const name = basename(file, extname(file))
      .replace(/[^A-Za-z0-9._-]/g, '-')
      .slice(0, 32);
    write(
      file,
      scriptTextOf(
        name,
        partitions.map((one) => one.name),
        deeds,
        end,
        frequencyHz,
        imageName,
      ),
    );
    process.stderr.write(`hvd: ${flags.output}: ${deeds.length} deeds\n`);
  } finally {
    stopListening();
    await hvd.close();
  }
};

const write = (file: string, text: string): void => {
  try {
    writeFileSync(`${file}.part`, text);
    renameSync(`${file}.part`, file);
  } catch (error) {
    throw new HvdError('script.unwritten', { file, why: reasonOf(error) }, error);
  }
};
