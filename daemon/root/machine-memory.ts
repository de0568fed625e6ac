// Makes the machine memory: header, LP blocks and event rings in one SharedArrayBuffer, before any LP runs.
import { DebugBlock } from '../../shared/layout/debug.js';
import { createHostMemory } from '../../shared/layout/host-memory.js';
import {
  CLOCK_MODE_NAMES,
  ClockMode,
  debugAt,
  LpBlock,
  LpState,
  lpBlockAt,
  MACHINE_MAGIC,
  MachineHeader,
  machineMemorySize,
} from '../../shared/layout/machine.js';
import { type Views, viewsOf } from '../../shared/layout/struct.js';
import type { MachineConfig } from '../../shared/protocol/messages.js';
import { POLICIES, writePolicy } from '../../shared/protocol/policies.js';

export interface MachineMemory {
  readonly buffer: SharedArrayBuffer;
  /** Host memory (layout/host-memory). */
  readonly host: WebAssembly.Memory;
  readonly views: Views;
  readonly header: MachineHeader;
  readonly lps: readonly LpBlock[];
}

/** LPs are dealt to nodes in blocks: 4 LPs on 2 nodes are 0 0 1 1. */
export const nodeOf = (lp: number, lps: number, nodes: number): number => Math.floor((lp * nodes) / lps);

export const createMachineMemory = (config: MachineConfig): MachineMemory => {
  const buffer = new SharedArrayBuffer(machineMemorySize(config.lps));
  const views = viewsOf(buffer);
  const header = new MachineHeader(views, 0);
  header.magic = MACHINE_MAGIC;
  header.lpCount = config.lps;
  header.nodeCount = config.nodes;
  header.clockMode = CLOCK_MODE_NAMES.indexOf(config.clock);
  header.quantumCycles = config.quantumCycles;
  header.seed = config.seed;
  header.frequencyHz = config.frequencyHz;
  header.token = config.clock === CLOCK_MODE_NAMES[ClockMode.DETERMINISTIC] ? config.seed % config.lps : 0;
  for (const policy of POLICIES) writePolicy(header, policy, policy.default);
  // The host's clock in cycles since 1970 is beyond the integers that a number holds exactly: LPs' clocks begin with the machine.
  if (header.clockMode === ClockMode.REALTIME)
    new DebugBlock(views, debugAt(config.lps)).stoodMicrosNum = Math.round((performance.timeOrigin + performance.now()) * 1000);
  const lps = Array.from({ length: config.lps }, (_, lp) => {
    const block = new LpBlock(views, lpBlockAt(lp));
    block.state = LpState.OFFLINE;
    block.node = nodeOf(lp, config.lps, config.nodes);
    block.current = -1;
    block.hostCore = -1;
    return block;
  });
  return { buffer, host: createHostMemory(config.lps), views, header, lps };
};
