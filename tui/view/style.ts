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
  good: '38;5;42',
  wait: '38;5;227',
  busy: '38;5;69',
  bad: '1;38;5;202',
  alert: '1;38;5;231;48;5;160',
  odd: '1;38;5;219',
  marker: '1;38;5;219',
  tab: '1;7',
  badge: '1;38;5;16;48;5;110',
  paused: '1;38;5;16;48;5;222',
  selected: '48;5;237',
} as const;

/** Told apart by people who see fewer colours too (test/unit/tui-terminal holds them against it). Shades per partition: the VPs of one partition take them in turn, so that neighbours differ and the family is seen. */
const FAMILIES: readonly (readonly number[])[] = [
  [75, 111, 39],
  [184, 178, 227],
  [174, 217, 131],
  [48, 84, 41],
  [99, 135, 63],
  [195, 159, 152],
  [160, 196, 202],
  [96, 139, 133],
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
