// The list of past bugs: one case a line, `reason: case`, with the digest of what a real processor did.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface PastBug {
  readonly reason: string;
  /** As `parseCase` reads it. */
  readonly line: string;
}

/** Works from the sources and from dist/. */
export const pastBugs = (): PastBug[] => {
  const here = fileURLToPath(import.meta.url);
  const root = here.slice(0, here.lastIndexOf('/test/vectors/')).replace(/\/dist$/, '');
  return readFileSync(`${root}/test/vectors/past-bugs.txt`, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const colon = line.indexOf(': ');
      return { reason: line.slice(0, colon), line: line.slice(colon + 2) };
    });
};
