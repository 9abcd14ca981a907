import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { checkInput } from '../config/check-input.js';
import { parseJsonFile } from '../config/parse-json-file.js';
import type { RunConfig } from '../config/run-config.js';
import { pluginsSchema } from '../config/run-config.js';
import type { registryKinds } from './default-packages.js';
import { isPluginPath } from './import-plugin.js';

/** The file that registers plugins for every command that is run in its folder. */
export const pluginsFile = 'kora.config.json';

const fileSchema = z.strictObject({ $schema: z.string().optional(), plugins: pluginsSchema.prefault({}) });

/**
 * The plugins that `kora.config.json` in `cwd` names; none when there is no such file.
 * @throws InputError for a malformed file
 */
export async function readPluginsFile(cwd = process.cwd()): Promise<RunConfig['plugins']> {
  const path = join(cwd, pluginsFile);
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (text === null) return pluginsSchema.parse({});
  return checkInput(fileSchema, parseJsonFile(text, path), { file: path }).plugins;
}

/** Joins two lists of plugins, without repetitions, with paths made absolute so that any process finds them. */
export function joinPlugins(
  first: RunConfig['plugins'],
  second: RunConfig['plugins'],
  cwd = process.cwd(),
): RunConfig['plugins'] {
  const joined = (kind: (typeof registryKinds)[number]) => [
    ...new Set(
      [...first[kind], ...second[kind]].map((name) => (isPluginPath(name) ? resolve(cwd, name) : name)),
    ),
  ];
  return {
    methods: joined('methods'),
    backends: joined('backends'),
    models: joined('models'),
    datasets: joined('datasets'),
  };
}
