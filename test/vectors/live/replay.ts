// Runs one case, given as a line, on the host's processor and in all ways of the simulated one, and says what each left behind.
import type { HostProcessor } from './host-processor.js';
import { SimulatedProcessor, WAYS } from './simulated-processor.js';
import { difference, type End, endDigest, type ParsedCase, parseCase } from './state.js';

const summary = (end: End): string =>
  `vector ${end.vector} error ${end.error.toString(16)} rip ${end.rip.toString(16)} cr2 ${end.cr2.toString(16)} flags ${end.flags.toString(16)} ` +
  Array.from(end.registers, (r) => r.toString(16)).join(' ');

export const simulate = (parsed: ParsedCase): Map<string, End | string> => {
  const ends = new Map<string, End | string>();
  for (const way of WAYS) {
    const p = new SimulatedProcessor(parsed.bits, way, parsed.tables);
    p.load(parsed.code, parsed.entry, parsed.blocks);
    ends.set(way, p.run(parsed.starts[0]));
  }
  return ends;
};

export const replay = (host: HostProcessor | undefined, line: string): { readonly report: string[]; readonly equal: boolean } => {
  const parsed = parseCase(line);
  const ends = simulate(parsed);
  const real = host?.run(parsed.bits, [parsed])[0][0];
  const wanted = real ?? ends.get('single');
  const report = real === undefined ? [] : [`host: ${summary(real)}`];
  let equal = true;
  for (const [way, end] of ends) {
    report.push(`${way}: ${typeof end === 'string' ? end : summary(end)}`);
    const what =
      typeof end === 'string' || typeof wanted === 'string' || wanted === undefined
        ? String(end)
        : difference(end, wanted, parsed.undefinedFlags, parsed.bits);
    if (what === null) continue;
    equal = false;
    report.push(`  ${what}`);
  }
  return { report, equal };
};

/** The line with the digest of what the host's processor does: as the list of past bugs has it. */
export const recorded = (host: HostProcessor, line: string): string => {
  const parsed = parseCase(line);
  return `${line.trim()} end=${endDigest(host.run(parsed.bits, [parsed])[0][0], parsed.undefinedFlags, parsed.bits)}`;
};
