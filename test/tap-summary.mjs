// Passes TAP through and ends with one line that counts it: `N passed, N failed, N skipped`. Status 1 when a test failed or none ran.
import { createInterface } from 'node:readline';

let passed = 0;
let failed = 0;
let skipped = 0;
let planned = false;
for await (const line of createInterface({ input: process.stdin })) {
  console.log(line);
  if (/^1\.\.\d+/.test(line)) planned = true;
  const result = /^(not )?ok \d+(.*)$/.exec(line);
  if (!result) continue;
  if (/# (SKIP|TODO)\b/i.test(result[2])) skipped++;
  else if (result[1]) failed++;
  else passed++;
}
console.log(`\n${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed > 0 || !planned || passed === 0 ? 1 : 0;
