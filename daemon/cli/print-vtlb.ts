// The vTLB on a terminal: address spaces, tables, or the entries of one table beside the guest's.
import type { SpteInspect, VtlbInspect } from '../../shared/protocol/messages.js';
import { formatCount, printLine, printTable } from './output.js';

export const printVtlb = (vtlb: VtlbInspect): void => {
  switch (vtlb.kind) {
    case 'vtlb':
      printLine(`generation ${vtlb.generation}`);
      printTable(
        ['NODE', 'LIVE', 'CONDEMNED', 'FREE'],
        vtlb.tables.map(({ node, live, condemned, free }) => [node, live, condemned, free]),
      );
      printTable(
        ['SAS', 'LPS', 'CR3', 'GENERATION', 'ROOT', 'TABLES', 'TRANSLATIONS', 'MODE'],
        vtlb.spaces.map((s) => [s.sas, s.users, s.cr3, s.generation, s.root, s.tables, formatCount(s.translations), s.mode]),
      );
      return;
    case 'sas':
      printLine(`SAS ${vtlb.space.sas}: CR3 ${vtlb.space.cr3}, ${vtlb.space.mode}, loaded by ${vtlb.space.users} LPs`);
      printTable(
        ['SPT', 'STATE', 'LEVEL', 'GVA', 'GUEST TABLE', 'PRESENT', 'NODE', 'ROLE'],
        vtlb.tables.map((t) => [t.spt, t.state, t.level, t.gva, t.gptGfn ?? '-', t.present, t.node, t.role]),
      );
      return;
    case 'spt': {
      const { table } = vtlb;
      printLine(
        `SPT ${table.spt}: ${table.state}, level ${table.level}, ${table.role}, guest table ${table.gptGfn ?? '-'}, node ${table.node}, generation ${table.generation}`,
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

const ENTRY_COLUMNS = ['INDEX', 'GVA', 'SHADOW', 'GUEST', 'VERDICT'];
const entryCells = (e: SpteInspect): (string | number)[] => [e.index, e.gva, e.shadow, e.guest ?? '-', e.verdict ?? '-'];
