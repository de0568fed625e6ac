// What a page is: its name, its keys and what they do, what it asks the daemon for while somebody looks at it, and its panels.
import type { Command, Watch } from '../link.js';
import type { Dashboard } from '../model/dashboard.js';
import type { ChartPanel } from './chart-panel.js';
import type { Stroke } from './keys.js';
import type { PageName, Prompt, ScreenState } from './screen-state.js';

/** What a key has the program do, beside changing the screen. */
export type Order =
  | { readonly kind: 'quit' }
  | { readonly kind: 'pause' }
  /** Shows what was before, by so many milliseconds; after, if negative. */
  | { readonly kind: 'back'; readonly ms: number }
  | { readonly kind: 'command'; readonly command: Command }
  /** What was wrong with it. */
  | { readonly kind: 'say'; readonly text: string };
export interface Outcome {
  readonly state: ScreenState;
  readonly order?: Order | undefined;
}

export interface BodyProps {
  readonly dashboard: Dashboard;
  readonly chart: ChartPanel;
  readonly screen: ScreenState;
  readonly columns: number;
  /** Rows under the header (and the lanes, where a page has them), in two parts: `bottom` 0 is a screen too small for a second row of panels. */
  readonly middle: number;
  readonly bottom: number;
}

export interface Page {
  readonly name: PageName;
  /** The lanes of the LPs stand above its panels. */
  readonly lanes: boolean;
  /** Of this page alone, with what each does: for its help. */
  readonly keys: readonly (readonly [key: string, meaning: string])[];
  /** What a key means on this page; undefined: what it means on every page. */
  readonly onKey?: (state: ScreenState, stroke: Stroke, dashboard: Dashboard) => Outcome | undefined;
  /** What comes of what is being typed: after each key, and when it is done (Enter). */
  readonly onPrompt?: (state: ScreenState, prompt: Prompt, dashboard: Dashboard, done: boolean) => Outcome;
  /** What is asked with each sample. */
  readonly watch?: (screen: ScreenState, dashboard: Dashboard) => Watch;
  readonly Body: (props: BodyProps) => React.ReactElement;
}
