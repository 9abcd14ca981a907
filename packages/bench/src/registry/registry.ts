import { existsSync } from 'node:fs';
import type { BackendDefinition } from '@kora-bench/core/backend';
import type { DatasetDefinition } from '@kora-bench/core/data';
import { targetKindNames } from '@kora-bench/core/data';
import { InputError } from '@kora-bench/core/errors';
import type { MethodDefinition } from '@kora-bench/core/peft';
import type { ProtocolDefinition, TaskDefinition } from '@kora-bench/core/training';
import type { ModelDefinition } from '@kora-bench/models';
import { closest } from 'fastest-levenshtein';
import { z } from 'zod';
import { findRegistered } from '../input/check-input.js';
import { codeDigest } from './code-digest.js';
import type { Plugins, RegistryKind } from './plugins.js';
import { importPlugin, isPluginPath, noPlugins, registryKinds } from './plugins.js';

/** The type that each kind registers. */
export interface Definitions {
  readonly methods: MethodDefinition;
  readonly backends: BackendDefinition;
  readonly models: ModelDefinition;
  readonly datasets: DatasetDefinition;
  readonly tasks: TaskDefinition;
  readonly protocols: ProtocolDefinition;
}

/** What is registered, by kind; names are unique within a kind. */
export type Registry = { readonly [Kind in RegistryKind]: ReadonlyMap<string, Definitions[Kind]> } & {
  /** Where the definitions come from that are not the suite's own. */
  readonly plugins: readonly RegisteredPlugin[];
};

/** A plugin as one kind of definitions is registered from it. */
export interface RegisteredPlugin extends ImportedKind {
  /** Of its code, see {@link codeDigest}. */
  readonly digest: string;
}

interface ImportedKind {
  readonly kind: RegistryKind;
  /** As the configuration calls it. */
  readonly name: string;
  /** The URL of its module. */
  readonly url: string;
  /** The names of what it registers. */
  readonly definitions: readonly string[];
}

/** A data set that can be opened; what a folder's images have for targets is known once it is open. */
export type FoundDataset = Pick<DatasetDefinition, 'name' | 'open'> &
  Partial<Pick<DatasetDefinition, 'targets'>>;

/**
 * The data set of a name or path.
 * @param where the field or flag that gave it, for the message
 * @throws InputError when nothing of this name is registered
 */
export async function findDataset(
  { datasets }: Pick<Registry, 'datasets'>,
  name: string,
  where: string,
): Promise<FoundDataset> {
  if (!isPluginPath(name)) {
    if (!datasets.has(name) && existsSync(name)) {
      throw new InputError(`There is no data set "${name}", but a file or folder of that name.`, {
        where,
        expected: 'the name of a data set, or a path that begins with ./, ../ or /',
        received: name,
        fix: `To take the file or folder, write ./${name}.`,
      });
    }
    return findRegistered(datasets, 'data set', name, where);
  }
  const { folderDataset } = await import('@kora-bench/datasets');
  return folderDataset(name);
}

/** What the suite brings along: a package, and the export that holds its definitions. */
export const defaultPackages: Readonly<
  Record<RegistryKind, readonly { readonly name: string; readonly exportName: string }[]>
> = {
  methods: [
    { name: '@kora-bench/method-linear-probe', exportName: 'default' },
    { name: '@kora-bench/method-full', exportName: 'default' },
    { name: '@kora-bench/method-lora', exportName: 'default' },
    { name: '@kora-bench/method-dora', exportName: 'default' },
    { name: '@kora-bench/method-vera', exportName: 'default' },
    { name: '@kora-bench/method-fourierft', exportName: 'default' },
    { name: '@kora-bench/method-oft', exportName: 'default' },
    { name: '@kora-bench/method-adapter-fusion', exportName: 'default' },
    { name: '@kora-bench/method-kora', exportName: 'default' },
    { name: '@kora-bench/method-kora-chain', exportName: 'default' },
    { name: '@kora-bench/method-basis-adapter', exportName: 'default' },
    { name: '@kora-bench/method-bitfit', exportName: 'default' },
    { name: '@kora-bench/method-vpt', exportName: 'default' },
    { name: '@kora-bench/method-ssf', exportName: 'default' },
    { name: '@kora-bench/method-ia3', exportName: 'default' },
    { name: '@kora-bench/method-adaptformer', exportName: 'default' },
    { name: '@kora-bench/method-repadapter', exportName: 'default' },
  ],
  backends: [
    { name: '@kora-bench/backend-ort', exportName: 'default' },
    { name: '@kora-bench/backend-webgpu', exportName: 'default' },
    { name: '@kora-bench/backend-tfjs', exportName: 'default' },
    { name: '@kora-bench/backend-reference', exportName: 'default' },
  ],
  models: [{ name: '@kora-bench/models', exportName: 'models' }],
  datasets: [{ name: '@kora-bench/datasets', exportName: 'datasets' }],
  tasks: [{ name: '@kora-bench/tasks', exportName: 'tasks' }],
  protocols: [{ name: '@kora-bench/protocols', exportName: 'protocols' }],
};

const callable = z.custom<(...values: never) => unknown>((value) => typeof value === 'function', {
  error: 'is not a function',
});
const optionsSchema = z.custom<z.ZodType>((value) => hasMember(value, '_zod'), {
  error: ({ input }) =>
    hasMember(input, 'safeParse') ? 'is a schema of zod 3; make it with zod 4' : 'is not a schema of zod 4',
});

function hasMember(value: unknown, name: string): boolean {
  return typeof value === 'object' && value !== null && name in value;
}

const name = z
  .string()
  .regex(/^[^\s,:]+$/, { error: 'is not a name: no spaces, commas or colons, and not empty' });
const described = { name, description: z.string() };
const targets = z
  .array(
    z.enum(targetKindNames as [string, ...string[]], {
      error: ({ input }) =>
        `${JSON.stringify(input)} is not a kind of target; there are ${targetKindNames.join(', ')}`,
    }),
  )
  .min(1);

/** What a registered definition must have at least, so that a malformed plugin is refused when it is loaded. */
const definitionSchemas = {
  methods: z.strictObject({
    ...described,
    source: z.string(),
    options: optionsSchema,
    parameters: callable,
    presets: z.record(z.string(), z.record(z.string(), z.unknown())).optional(),
    uncounted: callable.optional(),
    trainsBackbone: callable.optional(),
    backboneUpdate: callable.optional(),
    attach: callable.optional(),
    learningRates: z.array(z.number()).optional(),
    startsAtBackbone: callable.optional(),
    initialize: callable.optional(),
    stages: callable.optional(),
    merge: callable.optional(),
    peft: z
      .strictObject({ type: z.string(), flag: z.string().optional(), write: callable, read: callable })
      .optional(),
    caveats: callable.optional(),
  } satisfies Record<keyof MethodDefinition, z.ZodType>),
  backends: z.object({
    ...described,
    defaultDevice: z.string(),
    devices: z.array(z.string()).min(1),
    options: optionsSchema,
    create: callable,
    probe: callable,
  }),
  models: z.object({
    ...described,
    model: z.looseObject({ name, sites: z.array(z.unknown()), forward: callable }),
    preprocessing: z.record(z.string(), z.unknown()),
    embedded: z.boolean(),
    howToGet: z.string(),
    load: callable,
  }),
  datasets: z.object({
    ...described,
    targets,
    classes: z.int().min(0),
    embedded: z.boolean(),
    howToGet: z.string(),
    open: callable,
    verify: callable,
  }),
  tasks: z.object({ ...described, targets, options: optionsSchema, create: callable }),
  protocols: z.object({ ...described, options: optionsSchema, draws: callable }),
} as const satisfies Record<RegistryKind, z.ZodType>;

/**
 * Imports everything that is registered: the suite's own packages, then `plugins`. Imports no engine.
 * @param cwd where plugins' paths and packages are looked for
 * @throws InputError for a plugin that is missing or malformed, or that repeats a name
 */
export async function loadRegistry(plugins: Plugins = noPlugins, cwd = process.cwd()): Promise<Registry> {
  const [methods, backends, models, datasets, tasks, protocols] = await Promise.all([
    importKind('methods', plugins.methods, cwd),
    importKind('backends', plugins.backends, cwd),
    importKind('models', plugins.models, cwd),
    importKind('datasets', plugins.datasets, cwd),
    importKind('tasks', plugins.tasks, cwd),
    importKind('protocols', plugins.protocols, cwd),
  ]);
  const imported = { methods, backends, models, datasets, tasks, protocols };
  return {
    methods: methods.known,
    backends: backends.known,
    models: models.known,
    datasets: datasets.known,
    tasks: tasks.known,
    protocols: protocols.known,
    plugins: await withDigests(registryKinds.flatMap((kind) => imported[kind].plugins)),
  };
}

/** Each module is read once, also where several kinds are registered from it. */
async function withDigests(plugins: readonly ImportedKind[]): Promise<readonly RegisteredPlugin[]> {
  const digests = new Map<string, Promise<string>>();
  for (const plugin of plugins) if (!digests.has(plugin.url)) digests.set(plugin.url, codeDigest(plugin));
  return Promise.all(plugins.map(async (plugin) => ({ ...plugin, digest: await digests.get(plugin.url)! })));
}

/** One kind of {@link loadRegistry}, for commands that need no more. */
export async function loadKind<Kind extends RegistryKind>(
  kind: Kind,
  plugins: readonly string[] = [],
  cwd = process.cwd(),
): Promise<ReadonlyMap<string, Definitions[Kind]>> {
  return (await importKind(kind, plugins, cwd)).known;
}

async function importKind<Kind extends RegistryKind>(
  kind: Kind,
  plugins: readonly string[],
  cwd: string,
): Promise<{
  readonly known: ReadonlyMap<string, Definitions[Kind]>;
  readonly plugins: readonly ImportedKind[];
}> {
  const own = await Promise.all(
    defaultPackages[kind].map(async ({ name: origin, exportName }) => {
      const module = (await import(origin)) as Record<string, unknown>;
      return { origin, exported: module[exportName] };
    }),
  );
  const added = await Promise.all(
    plugins.map(async (origin, index) => {
      const { exports, url } = await importPlugin(origin, `plugins.${kind}[${index}]`, cwd);
      return { origin, exported: exports['default'], url };
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
  const namesFrom = (plugin: string) =>
    [...origins].flatMap(([name, from]) => (from === plugin ? [name] : []));
  return {
    known,
    plugins: added.map(({ origin, url }) => ({ kind, name: origin, url, definitions: namesFrom(origin) })),
  };
}

function checkDefinition<Kind extends RegistryKind>(
  kind: Kind,
  value: unknown,
  origin: string,
): Definitions[Kind] {
  const result = definitionSchemas[kind].safeParse(value, {
    error: (issue) =>
      issue.code === 'invalid_type' ? `is not of the type ${issue.expected}` : 'is not valid',
  });
  // The schema checks the shape; what functions do is only seen when they are called.
  if (result.success) return value as Definitions[Kind];
  const own = (value as { readonly name?: unknown } | null | undefined)?.name;
  throw new InputError(`The plugin "${origin}" does not register valid ${kind}.`, {
    where: `plugins.${kind}: ${origin}${typeof own === 'string' ? `, ${own}` : ''}`,
    expected: `a default export of one definition, or an array of them, as core’s types say`,
    received: result.error.issues.flatMap((issue) => faultsOf(issue, kind)).join('; '),
    fix: `Correct the plugin; the ${kind} of this suite are examples.`,
  });
}

/** Every fault of a definition, with the nearest name for a member that it should not have. */
function faultsOf(issue: z.core.$ZodIssue, kind: RegistryKind): string[] {
  if (issue.code === 'unrecognized_keys') {
    const known = Object.keys(definitionSchemas[kind].shape);
    return issue.keys.map((key) => `${key}: there is no such member, did you mean ${closest(key, known)}?`);
  }
  return [issue.path.length === 0 ? issue.message : `${issue.path.join('.')}: ${issue.message}`];
}
