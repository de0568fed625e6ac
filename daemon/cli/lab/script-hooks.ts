// Module hooks for load scripts that are programs: `hvd` and `hvd/client` are this hvd, wherever the file is, and types are taken out of TypeScript.
import { readFile } from 'node:fs/promises';
import type { LoadHook, ResolveHook } from 'node:module';
import { fileURLToPath } from 'node:url';
import { transform } from 'esbuild';

const OWN: Readonly<Record<string, string>> = {
  hvd: new URL('../../../shared/client/client.js', import.meta.url).href,
  'hvd/client': new URL('../../../shared/client/client.js', import.meta.url).href,
  'hvd/protocol': new URL('../../../shared/protocol/messages.js', import.meta.url).href,
};

export const resolve: ResolveHook = (specifier, context, next) =>
  OWN[specifier] === undefined ? next(specifier, context) : { url: OWN[specifier], shortCircuit: true };

export const load: LoadHook = async (url, context, next) => {
  if (!/\.m?ts$/.test(new URL(url).pathname)) return next(url, context);
  const file = fileURLToPath(url);
  const { code } = await transform(await readFile(file, 'utf8'), { loader: 'ts', format: 'esm', sourcefile: file, sourcemap: 'inline' });
  return { format: 'module', source: code, shortCircuit: true };
};
