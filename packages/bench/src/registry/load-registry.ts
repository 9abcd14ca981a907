import type { BackendDefinition, DatasetDefinition, MethodDefinition } from '@kora-bench/core';
import { InputError } from '@kora-bench/core';
import type { ModelDefinition } from '@kora-bench/models';
import type { RunConfig } from '../config/run-config.js';
import type { RegistryKind } from './default-packages.js';
import { defaultPackages } from './default-packages.js';
import { definitionSchemas } from './definition-schemas.js';
import { importPlugin } from './import-plugin.js';
import type { Registry } from './registry.js';

/** The type that each kind registers. */
interface Definitions {
  readonly methods: MethodDefinition;
  readonly backends: BackendDefinition;
  readonly models: ModelDefinition;
  readonly datasets: DatasetDefinition;
}

type Plugins = RunConfig['plugins'];

export const noPlugins: Plugins = { methods: [], backends: [], models: [], datasets: [] };

/**
 * Imports everything that is registered: the suite's own packages, then `plugins`. Imports no engine.
 * @param cwd where plugins' paths and packages are looked for
 * @throws InputError for a plugin that is missing or malformed, or that repeats a name
 */
export async function loadRegistry(plugins: Plugins = noPlugins, cwd = process.cwd()): Promise<Registry> {
  const [methods, backends, models, datasets] = await Promise.all([
    loadKind('methods', plugins.methods, cwd),
    loadKind('backends', plugins.backends, cwd),
    loadKind('models', plugins.models, cwd),
    loadKind('datasets', plugins.datasets, cwd),
  ]);
  return { methods, backends, models, datasets };
}

/** One kind of {@link loadRegistry}, for commands that need no more. */
export async function loadKind<Kind extends RegistryKind>(
  kind: Kind,
  plugins: readonly string[] = [],
  cwd = process.cwd(),
): Promise<ReadonlyMap<string, Definitions[Kind]>> {
  const own = await Promise.all(
    defaultPackages[kind].map(async ({ name, exportName }) => {
      const module = (await import(name)) as Record<string, unknown>;
      return { origin: name, exported: module[exportName] };
    }),
  );
  const added = await Promise.all(
    plugins.map(async (name, index) => {
      const module = await importPlugin(name, `plugins.${kind}[${index}]`, cwd);
      return { origin: name, exported: module.default };
    }),
  );
  const known = new Map<string, Definitions[Kind]>();
  const origins = new Map<string, string>();
  for (const { origin, exported } of [...own, ...added]) {
    for (const candidate of Array.isArray(exported) ? (exported as unknown[]) : [exported]) {
      const definition = checkDefinition(kind, candidate, origin);
      const before = origins.get(definition.name);
      if (before !== undefined) {
        throw new InputError(`Two of the registered ${kind} are named "${definition.name}".`, {
          where: `plugins.${kind}`,
          expected: 'names that are used once',
          received: `"${definition.name}" from ${before} and from ${origin}`,
          fix: 'Rename one of them, or leave its plugin out.',
        });
      }
      origins.set(definition.name, origin);
      known.set(definition.name, definition);
    }
  }
  return known;
}

function checkDefinition<Kind extends RegistryKind>(
  kind: Kind,
  value: unknown,
  origin: string,
): Definitions[Kind] {
  const result = definitionSchemas[kind].safeParse(value);
  // The schema checks the shape; what functions do is only seen when they are called.
  if (result.success) return value as Definitions[Kind];
  const { path, message } = result.error.issues[0]!;
  throw new InputError(`The plugin "${origin}" does not register valid ${kind}.`, {
    where: `plugins.${kind}: ${origin}`,
    expected: `a default export of one definition, or an array of them, as core’s types say`,
    received: path.length === 0 ? message : `${path.join('.')}: ${message}`,
    fix: 'Correct the plugin; the method packages of this suite are examples.',
  });
}
