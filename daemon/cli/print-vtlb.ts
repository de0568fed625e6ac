// The vTLB on a terminal: address spaces, tables, or the entries of one table beside the guest's.
import type { SasInspect, SpteInspect, SptInspect, VtlbInspect } from '../../shared/protocol/messages.js';
import { formatCount, printLine, printTable } from './output.js';

export const printVtlb = (vtlb: VtlbInspect): void => {
  switch (vtlb.kind) {
    case 'vtlb':
      printLine(`generation ${vtlb.generation}`);
      printTable(
        ['NODE', 'LIVE', 'CONDEMNED', 'FREE'],
        vtlb.tables.map(({ node, live, condemned, free }) => [node, live, condemned, free]),
      );
      printLine(
        `guest page tables: ${vtlb.pages.T} tracked (T), ${vtlb.pages.D + vtlb.pages.C} dirty (D), ${vtlb.pages.N} not tracked yet (N)`,
      );
      printTable(
        ['SAS', 'USERS', 'CR3', 'PCID', 'STALE', 'GENERATION', 'VERSION', 'ROOT', 'TABLES', 'TRANSLATIONS', 'NODES', 'MODE'],
        vtlb.spaces.map((s) => [
          s.sas,
          s.users,
          s.cr3,
          s.pcid,
          s.stale ? 'stale' : '-',
          s.generation,
          s.version,
          s.root,
          s.tables,
          formatCount(s.translations),
          s.nodes.join(' ') || '-',
          modeOf(s),
        ]),
      );
      return;
    case 'sas':
      printLine(headOf(vtlb.space));
      printTable(
        ['SPT', 'STATE', 'STALE', 'LEVEL', 'GVA', 'GUEST TABLE', 'WRITES', 'PRESENT', 'NODE', 'ROLE'],
        vtlb.tables.map((t) => [t.spt, t.state, staleText(t), t.level, t.gva, t.gptGfn ?? '-', t.writes ?? '-', t.present, t.node, t.role]),
      );
      return;
    case 'spt': {
      const { table } = vtlb;
      printLine(
        `SPT ${table.spt}: ${table.state}, level ${table.level}, ${table.role}, guest table ${table.gptGfn ?? '-'} (writes ${table.writes ?? '-'}), stale ${staleText(table)}, node ${table.node}, generation ${table.generation}`,
      );
      if (vtlb.way.length > 0)
        printTable(
          ['SPT', 'LEVEL', ...ENTRY_COLUMNS],
          vtlb.way.map((step) => [step.spt, step.level, ...entryCells(step)]),
        );
      printTable(ENTRY_COLUMNS, vtlb.entries.map(entryCells));
    }
  }
};

/** What a shared node stands for: a part of other spaces. */
const modeOf = ({ level, mode }: SasInspect): string => (level === 4 ? mode : `shared at level ${level}, ${mode}`);
const headOf = (s: SasInspect): string =>
  s.level === 4
    ? `SAS ${s.sas}: CR3 ${s.cr3}, PCID ${s.pcid}, ${s.mode}, loaded by ${s.users} LPs${s.stale ? ', stale' : ''}`
    : `SAS ${s.sas}: node shared at level ${s.level} by ${s.users} spaces, guest table at ${s.cr3}, ${s.mode}${s.stale ? ', stale' : ''}`;
const staleText = ({ stale }: SptInspect): string => (typeof stale === 'number' ? `LP ${stale}` : stale ? 'stale' : '-');

const ENTRY_COLUMNS = ['INDEX', 'GVA', 'SHADOW', 'GUEST', 'VERDICT', 'WRITES'];
const entryCells = (e: SpteInspect): (string | number)[] => [e.index, e.gva, e.shadow, e.guest ?? '-', e.verdict ?? '-', e.writes ?? '-'];
