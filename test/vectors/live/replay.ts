// Runs one case, given as a line, on the host's processor and in all ways of the simulated one, and says what each left behind.
import type { HostProcessor } from './host-processor.js';
import { SimulatedProcessor, WAYS } from './simulated-processor.js';
import { difference, type End, type Group, parseCase } from './state.js';

const summary = (end: End): string =>
  `vector ${end.vector} error ${end.error.toString(16)} rip ${end.rip.toString(16)} cr2 ${end.cr2.toString(16)} flags ${end.flags.toString(16)} ` +
  Array.from(end.registers, (r) => r.toString(16)).join(' ');

/** Offsets in the code pages where blocks may begin: every byte that follows another would be too many, so each instruction is one of a program's. */
export const simulate = (group: Group, blocks: readonly number[] = []): Map<string, End | string> => {
  const ends = new Map<string, End | string>();
  for (const way of WAYS) {
    const p = new SimulatedProcessor(group.bits, way);
    p.load(group.code, group.entry, blocks);
    ends.set(way, p.run(group.starts[0]));
  }
  return ends;
};

export const replay = (host: HostProcessor | undefined, line: string): { readonly report: string[]; readonly equal: boolean } => {
  const group = parseCase(line);
  const ends = simulate(group);
  const real = host?.run(group.bits, [group])[0][0];
  const wanted = real ?? ends.get('single');
  const report = real === undefined ? [] : [`host: ${summary(real)}`];
  let equal = true;
  for (const [way, end] of ends) {
    report.push(`${way}: ${typeof end === 'string' ? end : summary(end)}`);
    // All flags are shown; which of them are undefined is for the reader to say.
    const what =
      typeof end === 'string' || typeof wanted === 'string' || wanted === undefined ? String(end) : difference(end, wanted, 0, group.bits);
    if (what === null) continue;
    equal = false;
    report.push(`  ${what}`);
  }
  return { report, equal };
};
