// The system resource affinity table (ACPI 6.5 5.2.16): which VPs and which RAM are on which node, so that an operating system can keep near what belongs together.
// A VP is said to be where its home LP is: the scheduler may move it, and brings it back when it can.
import { pagesPerNode } from '../../../shared/layout/partition.js';
import type { PartitionSpec } from '../partition-spec.js';
import { TableBytes } from './table-bytes.js';

/** Of the body: a 1 that older revisions ask for, and reserved bytes. */
const START = 12;
const PROCESSOR = { type: 0, size: 16 } as const;
const MEMORY = { type: 1, size: 40 } as const;
const ENABLED = 1;

export const sratBody = ({ ramSize, nodeCount, vpCount, vpNodes = [] }: PartitionSpec): Uint8Array => {
  const perNode = pagesPerNode(ramSize, nodeCount) * 4096;
  const body = new TableBytes(START + vpCount * PROCESSOR.size + nodeCount * MEMORY.size).u32(0, 1);
  for (let vp = 0, at = START; vp < vpCount; vp++, at += PROCESSOR.size)
    body
      .u8(at, PROCESSOR.type)
      .u8(at + 1, PROCESSOR.size)
      .u8(at + 2, vpNodes[vp] ?? 0)
      .u8(at + 3, vp)
      .u32(at + 4, ENABLED);
  for (let node = 0, at = START + vpCount * PROCESSOR.size; node < nodeCount; node++, at += MEMORY.size) {
    const from = Math.min(ramSize, node * perNode);
    const size = Math.min(ramSize, from + perNode) - from;
    body
      .u8(at, MEMORY.type)
      .u8(at + 1, MEMORY.size)
      .u32(at + 2, node)
      .u64(at + 8, from)
      .u64(at + 16, size)
      .u32(at + 28, size > 0 ? ENABLED : 0);
  }
  return body.bytes;
};
