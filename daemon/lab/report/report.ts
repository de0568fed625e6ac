// The report of an experiment: what was asked, the table, charts, what others have published, what failed, where it was done and how to do it again. One page that needs nothing
// else, and the same in Markdown.
import { createHash } from 'node:crypto';
import type { CellResult } from '../experiment/run-cell.js';
import type { Manifest } from '../experiment/store.js';
import { type Chart, chartsOf } from './charts.js';
import { type Changes, changesOf, type Group, groupsOf, keyOf } from './groups.js';
import { formatNumber, formatRatio } from './numbers.js';
import { type Comparison, comparisonsOf } from './published.js';

export interface Run {
  readonly manifest: Manifest;
  readonly results: readonly CellResult[];
}
interface Section {
  readonly title: string;
  /** Paragraphs before the table. */
  readonly text: readonly string[];
  readonly table?: {
    readonly head: readonly string[];
    readonly rows: readonly (readonly string[])[];
    readonly marked?: ReadonlySet<number>;
  };
  readonly charts?: readonly Chart[];
  readonly code?: string;
}

/** Rows of a list of what has changed or failed. */
const LIST_MAX = 200;

/** Equal where all numbers are: two hosts that have done the same can compare one line. */
export const resultsHash = ({ results }: Run): string =>
  createHash('sha256')
    .update(JSON.stringify(results.map(({ id, measured, traceHash }) => [id, measured, traceHash])))
    .digest('hex')
    .slice(0, 16);

const sectionsOf = (run: Run, against: Run | undefined): Section[] => {
  const { manifest, results } = run;
  const groups = groupsOf(manifest, results);
  const failed = results.flatMap(({ settings, seed, assertions }) =>
    assertions.filter(({ holds }) => !holds).map((one) => [keyOf(settings), String(seed), one.phase ?? 'the end', one.why ?? one.text]),
  );
  const missing = manifest.cells.length - results.length;
  return [
    {
      title: 'Question',
      text: [
        manifest.question,
        `${results.length} of ${manifest.cells.length} cells done${missing === 0 ? '' : `, ${missing} missing`}; ${manifest.seeds.length} seed${manifest.seeds.length === 1 ? '' : 's'} a combination; results ${resultsHash(run)}.`,
      ],
    },
    resultsSection(manifest, groups),
    ...publishedSection(comparisonsOf(manifest, groups)),
    ...(failed.length === 0
      ? []
      : [
          {
            title: 'What did not hold',
            text: cut(failed.length),
            table: { head: ['settings', 'seed', 'phase', 'assertion'], rows: failed.slice(0, LIST_MAX) },
          },
        ]),
    ...(against === undefined ? [] : [changesSection(against, changesOf(groupsOf(against.manifest, against.results), groups))]),
    { title: 'Environment', text: [], table: { head: ['', ''], rows: Object.entries(manifest.environment) } },
    { title: 'To do it again', text: ['Virtual cycles: the same numbers on every host.'], code: manifest.command },
  ];
};

const cut = (count: number): string[] => (count <= LIST_MAX ? [] : [`The first ${LIST_MAX} of ${count}.`]);

const resultsSection = (manifest: Manifest, groups: readonly Group[]): Section => {
  const axes = manifest.axes.filter(({ values }) => values.length > 1).map(({ name }) => name);
  const measures = Object.entries(manifest.measure);
  const hasBaseline = groups.some(({ isBaseline }) => isBaseline);
  const cellOf = (group: Group, name: string): string[] => {
    const one = group.measured[name];
    if (one === undefined) return hasBaseline ? ['', ''] : [''];
    const spread = one.count > 1 && one.min !== one.max ? ` (${formatNumber(one.min)} to ${formatNumber(one.max)})` : '';
    return [`${formatNumber(one.mean)}${spread}`, ...(hasBaseline ? [formatRatio(group.against[name])] : [])];
  };
  return {
    title: 'Results',
    text: [
      `Mean over the seeds${hasBaseline ? `; × is against the baseline (${keyOf(manifest.baseline)}), whose rows are marked` : ''}. Better: ${measures.map(([name, { better }]) => `${name} ${better}`).join(', ')}.`,
    ],
    table: {
      head: [...axes, ...measures.flatMap(([name, { unit }]) => [unit === '' ? name : `${name}, ${unit}`, ...(hasBaseline ? ['×'] : [])])],
      rows: groups.map((group) => [
        ...axes.map((name) => group.settings[name] ?? ''),
        ...measures.flatMap(([name]) => cellOf(group, name)),
      ]),
      marked: new Set(groups.flatMap(({ isBaseline }, index) => (isBaseline ? [index] : []))),
    },
    charts: chartsOf(manifest, groups),
  };
};

const rangeText = (range: readonly [number, number] | undefined): string =>
  range === undefined ? '' : range[0] === range[1] ? formatRatio(range[0]) : `${formatRatio(range[0])} to ${formatRatio(range[1])}`;

const publishedSection = (comparisons: readonly Comparison[]): Section[] =>
  comparisons.length === 0
    ? []
    : [
        {
          title: 'Published',
          text: [],
          table: {
            head: ['claim', 'source', 'published', 'here', 'why they differ'],
            rows: comparisons.map(({ claim, source, range, ours, differs }) => [
              claim,
              source,
              rangeText(range),
              rangeText(ours),
              differs ?? '',
            ]),
          },
        },
      ];

const changesSection = (against: Run, { same, changed, onlyBefore, onlyAfter }: Changes): Section => ({
  title: 'Against another run',
  text: [
    `That of hvd ${against.manifest.version}: ${same} numbers are the same, ${changed.length} are others${onlyBefore.length + onlyAfter.length === 0 ? '' : `; ${onlyBefore.length} combinations are only there, ${onlyAfter.length} only here`}.`,
    ...cut(changed.length),
  ],
  ...(changed.length === 0
    ? {}
    : {
        table: {
          head: ['settings', 'measure', 'there', 'here', '×'],
          rows: changed
            .slice(0, LIST_MAX)
            .map(({ settings, measure, before, after }) => [
              keyOf(settings),
              measure,
              formatNumber(before.mean),
              formatNumber(after.mean),
              before.mean === 0 ? '' : formatRatio(after.mean / before.mean),
            ]),
        },
      }),
});

// --- Markdown

const cellText = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

export const markdownOf = (run: Run, against?: Run): string => {
  const parts = sectionsOf(run, against).map(({ title, text, table, code }) => {
    const lines = [`## ${title}`, ...text];
    if (table !== undefined) {
      const row = (cells: readonly string[]): string => `| ${cells.map(cellText).join(' | ')} |`;
      const marks = table.rows.map((cells, index) => (table.marked?.has(index) ? [`**${cells[0]}**`, ...cells.slice(1)] : cells));
      lines.push([row(table.head), `|${table.head.map(() => ' --- |').join('')}`, ...marks.map(row)].join('\n'));
    }
    if (code !== undefined) lines.push(`\`\`\`sh\n${code}\n\`\`\``);
    return lines.join('\n\n');
  });
  return `# ${run.manifest.name}\n\n${parts.join('\n\n')}\n`;
};

// --- HTML

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escaped = (text: string): string => text.replace(/[&<>"]/g, (one) => ENTITIES[one]!);
const STYLE = `body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#111;background:#fff}
table{border-collapse:collapse;margin:1rem 0;font-variant-numeric:tabular-nums}td,th{padding:.25rem .7rem;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}
tr.baseline td{background:#f1f4f8;font-weight:600}pre{background:#f1f4f8;padding:.8rem;overflow-x:auto}svg{max-width:100%;height:auto}.wide{overflow-x:auto}`;

export const htmlOf = (run: Run, against?: Run): string => {
  const body = sectionsOf(run, against).map(({ title, text, table, charts, code }) => {
    const parts = [`<h2>${escaped(title)}</h2>`, ...text.map((line) => `<p>${escaped(line)}</p>`)];
    if (table !== undefined) {
      const row = (cells: readonly string[], tag: 'td' | 'th'): string => cells.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join('');
      const rows = table.rows.map((cells, index) => `<tr${table.marked?.has(index) ? ' class="baseline"' : ''}>${row(cells, 'td')}</tr>`);
      parts.push(
        `<div class="wide"><table><thead><tr>${row(table.head, 'th')}</tr></thead><tbody>${rows.join('\n')}</tbody></table></div>`,
      );
    }
    for (const { svg, title: name } of charts ?? []) parts.push(`<figure role="img" aria-label="${escaped(name)}">${svg}</figure>`);
    if (code !== undefined) parts.push(`<pre>${escaped(code)}</pre>`);
    return parts.join('\n');
  });
  const name = escaped(run.manifest.name);
  return `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${name}</title><style>${STYLE}</style></head>\n<body><h1>${name}</h1>\n${body.join('\n')}\n</body></html>\n`;
};
