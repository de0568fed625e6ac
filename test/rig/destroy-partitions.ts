// A program that makes and destroys partitions and prints by how many bytes the process has grown. On its own: other tests would be weighed too.
import { startStubMachine, stubPartition } from './stub-daemon.js';

const CYCLES = 60;
const machine = await startStubMachine();
const cycle = async (name: string): Promise<void> => {
  await machine.add(stubPartition(name, { memory: 64 << 20 }));
  await machine.partitions.destroy(name);
};
for (let i = 0; i < 5; i++) await cycle(`warm${i}`);
const before = process.memoryUsage().rss;
for (let i = 0; i < CYCLES; i++) await cycle(`p${i}`);
const grown = process.memoryUsage().rss - before;
await machine.stop();
process.stdout.write(`${grown}\n`);
