// A real terminal for tests: tmux on a socket of its own in a folder of its own. What a person would see is what `text` gives.
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Long, for a host whose cores are taken many times over; waiting ends with what is waited for. */
const WAIT_MS = 120_000;
const LOOK_MS = 100;

/** Why there is no terminal to test in, or undefined. */
export const noTerminal = (): string | undefined => (spawnSync('tmux', ['-V']).status === 0 ? undefined : 'tmux is not installed');

export class Terminal {
  readonly folder = mkdtempSync(join(tmpdir(), 'hvtop-'));

  constructor(columns: number, rows: number) {
    // A plain shell with a known prompt; no start-up files of whoever runs the test.
    this.#tmux('-f', '/dev/null', 'new-session', '-d', '-x', String(columns), '-y', String(rows), 'env PS1="ready> " CI=false sh');
  }

  keys(...keys: string[]): void {
    this.#tmux('send-keys', ...keys);
  }

  type(line: string): void {
    this.#tmux('send-keys', '-l', line);
    this.#tmux('send-keys', 'Enter');
  }

  resize(columns: number, rows: number): void {
    this.#tmux('resize-window', '-x', String(columns), '-y', String(rows));
  }

  /** The screen as text, one string per row. */
  rows(): string[] {
    return this.#tmux('capture-pane', '-p').replace(/\n$/, '').split('\n');
  }

  text(): string {
    return this.rows().join('\n');
  }

  /** A tmux format variable of the pane, like `alternate_on` or `cursor_flag`. */
  flag(name: string): string {
    return this.#tmux('display-message', '-p', `#{${name}}`).trim();
  }

  /** Process id of the program that the shell runs in the foreground. */
  programPid(): number {
    const shell = this.flag('pane_pid');
    for (const name of readdirSync('/proc')) {
      if (!/^\d+$/.test(name)) continue;
      try {
        // proc(5), stat: pid (comm) state ppid ...
        const parent = readFileSync(`/proc/${name}/stat`, 'utf8')
          .replace(/^.*\) /s, '')
          .split(' ')[1];
        if (parent === shell) return Number(name);
      } catch {
        // It ended between the listing and the reading.
      }
    }
    throw new Error(`the shell ${shell} runs nothing`);
  }

  /** Waits until `seen` says so of the screen; fails with what the screen showed instead. */
  async until(what: string, seen: (text: string) => boolean, limitMs = WAIT_MS): Promise<string> {
    const end = Date.now() + limitMs;
    for (;;) {
      // Without keeping this thread from its other work: the pretended daemons answer here.
      const { stdout } = await run('tmux', ['-L', 'hvtop', 'capture-pane', '-p'], { env: this.#env() });
      const text = stdout.replace(/\n$/, '');
      if (seen(text)) return text;
      if (Date.now() > end) throw new Error(`not seen in ${limitMs} ms: ${what}\n${text}`);
      await wait(LOOK_MS);
    }
  }

  close(): void {
    spawnSync('tmux', ['-L', 'hvtop', 'kill-server'], { env: this.#env() });
    rmSync(this.folder, { recursive: true, force: true });
  }

  #tmux(...parameters: string[]): string {
    return execFileSync('tmux', ['-L', 'hvtop', ...parameters], { env: this.#env(), encoding: 'utf8' });
  }

  #env(): NodeJS.ProcessEnv {
    const { TMUX: _outer, ...env } = process.env;
    return { ...env, TMUX_TMPDIR: this.folder, TERM: 'xterm-256color', LC_ALL: 'C.UTF-8' };
  }
}
