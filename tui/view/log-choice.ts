// What has been chosen on the page of the log, and its keys: how far it is scrolled back, and whether warnings alone are shown.
import type { Dashboard } from '../model/dashboard.js';
import type { Stroke } from './keys.js';
import type { Outcome } from './page.js';
import type { ScreenState } from './screen-state.js';

export interface LogChoice {
  /** Records below the last one shown; 0: the newest is, and those that come. */
  readonly back: number;
  readonly warnings: boolean;
}
export const FIRST_LOG: LogChoice = { back: 0, warnings: false };

const PAGE = 20;

export function logKey(state: ScreenState, { input, key }: Stroke, { log }: Dashboard): Outcome | undefined {
  const { back, warnings } = state.log;
  const put = (change: Partial<LogChoice>): Outcome => ({ state: { ...state, log: { ...state.log, ...change } } });
  const most = Math.max(0, log.lines(warnings).length - 1);
  const by = (lines: number): Outcome => put({ back: Math.min(most, Math.max(0, back + lines)) });
  if (key.upArrow || input === 'k') return by(1);
  if (key.downArrow || input === 'j') return by(-1);
  if (key.pageUp) return by(PAGE);
  if (key.pageDown) return by(-PAGE);
  if (key.home || input === 'g') return put({ back: most });
  if (key.end || input === 'G') return put({ back: 0 });
  if (input === 'w') return put({ back: 0, warnings: !warnings });
  return undefined;
}
