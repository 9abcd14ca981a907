import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { DatasetCheck, DatasetDefinition } from '@kora-bench/core/data';
import { InputError, KoraError, MissingDataError } from '@kora-bench/core/errors';
import type { ModelDefinition } from '@kora-bench/models';
import { download, isHubName, resolveModel } from '@kora-bench/models';
import { dataFolders } from '@kora-bench/platform-node/data-folders';
import { findRegistered } from '../../input/check-input.js';
import { isPluginPath, readPluginsFile } from '../../registry/plugins.js';
import { loadKind } from '../../registry/registry.js';
import { megabytes } from '../../table/text-table.js';
import { exitCode, printJson, printMessage, printResult } from './output.js';

/** Downloads a registered checkpoint, or any from the hub; says how to get what has no download. */
export async function getData(name: string): Promise<number> {
  const context = dataFolders();
  const { models, datasets } = await registered();
  if (models.has(name) || isHubName(name)) {
    const stop = new AbortController();
    process.once('SIGINT', () => stop.abort());
    let last = 0;
    const folder = await download(
      name,
      context,
      ({ file, bytes, total }) => {
        const now = Date.now();
        if (bytes < total && now - last < 1000) return;
        last = now;
        printMessage(`${file}: ${megabytes(bytes)} of ${megabytes(total)} MB`);
      },
      { definitions: [...models.values()], signal: stop.signal },
    ).catch((error: unknown) => {
      if (!stop.signal.aborted) throw error;
      printMessage('Stopped; the same command goes on where it was.');
      return undefined;
    });
    if (folder === undefined) return 130;
    printResult(folder);
    return exitCode.done;
  }
  const dataset = findRegistered(named(models, datasets), 'model or data set', name, 'data get');
  if ('embedded' in dataset && dataset.embedded) {
    printResult(`${name} comes with the suite: there is nothing to download.`);
    return exitCode.done;
  }
  throw new MissingDataError(`There is no automatic download of ${name}.`, {
    where: context.dataDir,
    expected: 'the files of its publisher in this folder (KORA_DATA_DIR)',
    fix: dataset.howToGet,
  });
}

/** Checks what is there: counts, checksums, whether the checkpoint fits. */
export async function verifyData(name: string, { json }: { readonly json?: boolean }): Promise<number> {
  const context = dataFolders();
  const { models, datasets } = await registered();
  const isFolderOfImages = isPluginPath(name) && !existsSync(join(name, 'config.json'));
  const check = isFolderOfImages
    ? await (await import('@kora-bench/datasets')).folderDataset(name).verify(context)
    : isHubName(name) || isPluginPath(name)
      ? await verifyModel(() => resolveModel(name, [...models.values()], context))
      : await verifyRegistered(
          findRegistered(named(models, datasets), 'model or data set', name, 'data verify'),
        );
  if (json) printJson({ name, ...check });
  else {
    printResult([...check.details, ...check.problems.map((problem) => `PROBLEM: ${problem}`)].join('\n'));
    printResult(check.ok ? `${name} is fine.` : `${name} is not as it should be.`);
  }
  return check.ok ? exitCode.done : exitCode.failed;
}

function verifyRegistered(found: ModelDefinition | DatasetDefinition): Promise<DatasetCheck> {
  return 'verify' in found ? found.verify(dataFolders()) : verifyModel(async () => found);
}

async function verifyModel(find: () => Promise<ModelDefinition>): Promise<DatasetCheck> {
  try {
    const loaded = await (await find()).load(dataFolders());
    const { tensors, fingerprint, notes } = loaded;
    const details = [`${loaded.model.name}: ${tensors.size} tensors`, `sha256 ${fingerprint}`, ...notes];
    return { ok: true, details, problems: [] };
  } catch (error) {
    if (!(error instanceof KoraError)) throw error;
    return { ok: false, details: [], problems: [error.explain()] };
  }
}

async function registered() {
  const plugins = await readPluginsFile();
  const [models, datasets] = await Promise.all([
    loadKind('models', plugins.models),
    loadKind('datasets', plugins.datasets),
  ]);
  return { models, datasets };
}

function named<A, B>(models: ReadonlyMap<string, A>, datasets: ReadonlyMap<string, B>): Map<string, A | B> {
  for (const name of models.keys()) {
    if (!datasets.has(name)) continue;
    throw new InputError(`A model and a data set are both named "${name}".`, {
      where: 'plugins',
      expected: 'different names',
      received: name,
      fix: 'Rename one of them.',
    });
  }
  return new Map<string, A | B>([...datasets, ...models]);
}
