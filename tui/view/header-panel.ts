// The first lines: which daemon, how it is connected, how time runs, what the machine does in total.

import type { Dashboard } from "../model/dashboard.js";
import { duration, si } from "../model/format.js";
import { Line } from "./line.js";
import { type Style, style } from "./style.js";

/** Host seconds without a sample after which a connected daemon is called silent. */
export const SILENT_SECONDS = 4;

export interface LinkFacts {
  readonly socket: string;
  /** Host seconds since the last frame from the daemon. */
  readonly silentSeconds: number;
}

export function headerPanel(dashboard: Dashboard, link: LinkFacts, width: number, height: number): string[] {
  const line = new Line(width).put(" hvtop ", style.badge).put(" ");
  const [badge, badgeStyle] = connectionBadge(dashboard, link);
  line.put(badge, badgeStyle);
  const stats = dashboard.stats;
  const rates = dashboard.rates;
  if (stats !== undefined && rates !== undefined) {
    const vps = stats.partitions.reduce((n, partition) => n + partition.vps.length, 0);
    fact(line, "pid", String(stats.pid));
    fact(line, "up", duration(stats.at));
    fact(line, stats.clockMode, `×${rates.virtualRate.toFixed(2)}`);
    fact(line, "MIPS", si(rates.instructions / 1e6));
    fact(line, "intercepts/s", si(rates.intercepts));
    if (width >= 110) fact(line, "fills/s", si(rates.fills));
    if (width >= 100) fact(line, "LPs", String(stats.lps.length));
    if (width >= 100) fact(line, "VPs", `${vps} in ${stats.partitions.length}`);
    if (dashboard.dropped > 0 && width >= 120) fact(line, "dropped", si(dashboard.dropped), style.wait);
  }
  if (dashboard.paused) line.put(" ").put(" PAUSED ", style.paused);
  const lines = [line.end()];
  if (height > 1) lines.push(policiesLine(dashboard, width));
  return lines;
}

function fact(line: Line, name: string, value: string, valueStyle: Style = style.number): void {
  line.put("  ").put(`${name} `, style.dim).put(value, valueStyle);
}

function connectionBadge(dashboard: Dashboard, link: LinkFacts): [string, Style] {
  const { connection } = dashboard;
  if (connection.state === "connecting") return ["○ connecting", style.wait];
  if (connection.state === "disconnected") return ["○ disconnected, retrying", style.bad];
  if (link.silentSeconds >= SILENT_SECONDS) return [`◌ silent for ${Math.floor(link.silentSeconds)}s`, style.wait];
  return ["● live", style.good];
}

function policiesLine(dashboard: Dashboard, width: number): string {
  const line = new Line(width).put(" ");
  if (dashboard.connection.state === "disconnected") return line.put(dashboard.connection.reason, style.bad).end();
  const policies = Object.entries(dashboard.stats?.policies ?? {});
  if (policies.length === 0) return line.end();
  line.put("policies", style.dim);
  for (const [name, value] of policies) line.put(`  ${name}=`, style.dim).put(value, style.label);
  return line.end();
}
