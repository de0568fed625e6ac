// Colours by meaning, as SGR parameters (ECMA-48 8.3.117), so that no panel picks a colour of its own.

export type Style = string;

export const style = {
  plain: '',
  dim: '38;5;244',
  faint: '38;5;238',
  label: '38;5;250',
  heading: '38;5;110',
  bold: '1',
  number: '38;5;255',
  good: '38;5;114',
  wait: '38;5;222',
  busy: '38;5;117',
  bad: '1;38;5;203',
  alert: '1;38;5;231;48;5;160',
  odd: '1;38;5;213',
  marker: '1;38;5;213',
  tab: '1;7',
  badge: '1;38;5;16;48;5;110',
  paused: '1;38;5;16;48;5;222',
  selected: '48;5;237',
} as const;

/** Bright shades per partition: the VPs of one partition take them in turn, so that neighbours differ and the family is seen. */
const FAMILIES: readonly (readonly number[])[] = [
  [75, 111, 69],
  [215, 221, 179],
  [114, 150, 78],
  [176, 182, 140],
  [80, 116, 44],
  [210, 217, 174],
  [185, 191, 149],
  [250, 254, 246],
];

export const partitionColour = (partition: number): number => FAMILIES[partition % FAMILIES.length]![0]!;
export const partitionStyle = (partition: number): Style => `1;38;5;${partitionColour(partition)}`;

/** Dark letter on the VP's shade. */
export const vpCellStyle = (partition: number, vp: number): Style => {
  const family = FAMILIES[partition % FAMILIES.length]!;
  return `38;5;16;48;5;${family[vp % family.length]}`;
};

const STATES: Readonly<Record<string, Style>> = {
  running: style.good,
  hypervisor: style.busy,
  ready: style.wait,
  waiting: style.wait,
  paused: style.wait,
  halted: style.dim,
  idle: style.dim,
  created: style.dim,
  offline: style.faint,
  'wait-for-sipi': style.faint,
  stopped: style.dim,
  'powered-off': style.dim,
  dead: style.bad,
  crashed: style.bad,
};

/** Of an LP, VP or partition state. */
export const stateStyle = (state: string): Style => STATES[state] ?? style.plain;
