// All kinds of YAML files that hvd reads, by the names under which `hvd schema` knows them. A new kind of file is registered here, and has its schema in configs/schemas.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { HvdError, reasonOf } from '../../shared/protocol/errors.js';
import { experimentSchema } from '../lab/experiment/experiment.js';
import { scriptSchema } from '../lab/script/script.js';
import { jsonSchemaOf, MACHINE_FILES, type YamlFile } from '../root/config/json-schema.js';

export const YAML_FILES: Readonly<Record<string, YamlFile>> = {
  ...MACHINE_FILES,
  load: { schema: scriptSchema('load'), title: 'A load script of hvd (hvd load run)', hasParameters: true },
  experiment: { schema: experimentSchema({}), title: 'An experiment of hvd (hvd experiment run)', hasParameters: true },
};

/** Throws usage for a kind that there is not. */
export const yamlFileOf = (kind: string): YamlFile => {
  const file = Object.hasOwn(YAML_FILES, kind) ? YAML_FILES[kind] : undefined;
  if (file === undefined)
    throw new HvdError('usage', { what: `no files of a kind ${JSON.stringify(kind)}; there are ${Object.keys(YAML_FILES).join(', ')}` });
  return file;
};

/** As it stands in a file. */
export const schemaText = (kind: string): string => `${JSON.stringify(jsonSchemaOf(kind, yamlFileOf(kind)), null, 2)}\n`;

/** Writes each kind's to the folder; returns the files. Throws schema.write. */
export const writeSchemas = (folder: string): string[] =>
  Object.keys(YAML_FILES).map((kind) => {
    const file = join(folder, `${kind}.json`);
    try {
      writeFileSync(file, schemaText(kind));
    } catch (error) {
      throw new HvdError('schema.write', { file, why: reasonOf(error) }, error);
    }
    return file;
  });
