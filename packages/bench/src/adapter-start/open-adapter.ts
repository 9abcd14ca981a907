import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { InputError, MissingDataError } from '@kora-bench/core/errors';
import { formatShape, sameShape } from '@kora-bench/core/graph';
import type { Checkpoint } from '@kora-bench/core/nn';
import type { LoadedPeftAdapter } from '@kora-bench/core/peft';
import { adapterConfigFile, adapterFile, methodParameters, readPeftAdapter } from '@kora-bench/core/peft';
import { loadModel } from '@kora-bench/models';
import { dataFolders } from '@kora-bench/platform-node/data-folders';
import type { MethodEntry, RunConfig } from '../config/run-config.js';
import { withoutLeftResults } from '../published/left-results.js';
import type { CellAdapter } from '../records/record-schema.js';
import type { Registry } from '../registry/registry.js';

/** An adapter folder of peft's, read for the model that it is for. */
export interface OpenAdapter extends LoadedPeftAdapter {
  /** SHA-256 (hex) of both files. */
  readonly sha256: string;
}

/**
 * Reads an adapter folder of Hugging Face peft.
 * @throws MissingDataError when a file is not there
 * @throws FormatError naming the field or tensor that is wrong, not supported, or of another model
 */
export async function openAdapter(
  folder: string,
  { model, tensors }: Pick<Checkpoint, 'model' | 'tensors'>,
  { methods }: Pick<Registry, 'methods'>,
): Promise<OpenAdapter> {
  const config = await readAdapterFile(folder, adapterConfigFile);
  const safetensors = await readAdapterFile(folder, adapterFile);
  const adapter = readPeftAdapter({
    config: config.toString('utf8'),
    safetensors: new Uint8Array(safetensors),
    model,
    methods: methods.values(),
    pretrained: tensors,
  });
  return { ...adapter, sha256: createHash('sha256').update(config).update(safetensors).digest('hex') };
}

async function readAdapterFile(folder: string, name: string): Promise<Buffer> {
  const path = join(folder, name);
  try {
    return await readFile(path);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const absent = code === 'ENOENT' || code === 'ENOTDIR';
    const pickled =
      absent &&
      name === adapterFile &&
      (await readFile(join(folder, pickle)).then(
        () => true,
        () => false,
      ));
    throw new MissingDataError(`A file of the adapter ${absent ? 'is missing' : 'cannot be read'}.`, {
      where: path,
      expected: 'an adapter folder as peft’s save_pretrained writes it',
      received: pickled
        ? `${pickle}, a pickle, which is never executed here`
        : absent
          ? 'no such file'
          : message,
      fix: pickled
        ? `Convert it in Python: save_file(torch.load("${pickle}", map_location="cpu", weights_only=True), "${adapterFile}"), with save_file of safetensors.torch.`
        : absent
          ? `Name the folder that holds ${adapterConfigFile} and ${adapterFile}.`
          : 'Check the permissions of the file and its folder.',
      cause,
    });
  }
}

/** How older releases of peft saved tensors. */
const pickle = 'adapter_model.bin';

/** The configuration with the adapter's method in place of its methods. */
export function withAdapterMethod(
  config: RunConfig,
  folder: string,
  { method }: Pick<OpenAdapter, 'method'>,
): RunConfig {
  const { name } = method.definition;
  const learningRate = config.methods.find((entry) => entry.name === name)?.learningRate;
  const entry: MethodEntry = {
    name,
    label: `${name} from ${basename(folder)}`,
    options: {},
    adapter: folder,
    ...(learningRate !== undefined && { learningRate }),
  };
  const changed = { ...config, methods: [entry] };
  return { ...changed, published: withoutLeftResults(config.published, config, changed) };
}

/**
 * Entries of methods with the options of the adapters that they start from, which an entry's own options may change as
 * long as the adapter still fits.
 * @throws MissingDataError | FormatError | InputError for an adapter that is missing, broken, or of another model or method
 */
export async function withAdapterOptions(
  entries: readonly MethodEntry[],
  models: readonly string[],
  registry: Registry,
): Promise<{
  readonly entries: readonly MethodEntry[];
  /** By the entry's index. */
  readonly adapters: ReadonlyMap<number, CellAdapter>;
}> {
  const adapters = new Map<number, CellAdapter>();
  if (entries.every(({ adapter }) => adapter === undefined)) return { entries, adapters };
  const context = dataFolders();
  const complete: MethodEntry[] = [...entries];
  for (const [index, entry] of entries.entries()) {
    const { adapter: folder, name } = entry;
    if (folder === undefined) continue;
    const field = `methods[${index}].adapter`;
    for (const model of models) {
      const checkpoint = await loadModel(model, context, {}, [...registry.models.values()]);
      const adapter = await openAdapter(folder, checkpoint, registry);
      if (adapter.method.definition.name !== name) {
        throw new InputError('The adapter is of another method.', {
          where: field,
          expected: `an adapter of ${name}`,
          received: `one of ${adapter.method.definition.name}, in ${folder}`,
          fix: `Name the method ${adapter.method.definition.name}, or use --adapter, which finds out.`,
        });
      }
      const options = { ...(adapter.method.options as Record<string, unknown>), ...entry.options };
      complete[index] = { ...entry, options };
      adapters.set(index, { folder, sha256: adapter.sha256 });
      const parsed = adapter.method.definition.options.safeParse(options);
      if (parsed.success)
        requireFit({ ...adapter, method: { ...adapter.method, options: parsed.data } }, checkpoint, field);
    }
  }
  return { entries: complete, adapters };
}

/** @throws InputError for a parameter of the method that the adapter has no value for, or one of another shape */
export function requireFit(
  { method, values }: Pick<LoadedPeftAdapter, 'method' | 'values'>,
  { model }: Pick<Checkpoint, 'model'>,
  where: string,
): void {
  for (const { name, shape } of methodParameters(method, model)) {
    const value = values.get(name);
    if (value !== undefined && sameShape(value.shape, shape)) continue;
    throw new InputError('The adapter does not fit the method’s options.', {
      where,
      expected: `${name} ${formatShape(shape)}`,
      received: value === undefined ? 'no such value' : formatShape(value.shape),
      fix: 'Leave the options out that the adapter itself decides: its rank, its targets.',
    });
  }
}
