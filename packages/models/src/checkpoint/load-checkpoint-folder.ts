import { basename, join, resolve } from 'node:path';
import type { Preprocessing } from '@kora-bench/core/data';
import { CheckpointError, MissingDataError } from '@kora-bench/core/errors';
import type { Shape } from '@kora-bench/core/graph';
import type { Checkpoint, VitConfig } from '@kora-bench/core/nn';
import { plainVit, vitArchitecture } from '@kora-bench/core/nn';
import { z } from 'zod';
import {
  adaptConfig,
  adaptedFingerprint,
  adaptNotes,
  adaptPositions,
  checkAskedSize,
  checkHoldsPatch,
} from './adapt-image-size.js';
import type { CheckpointConfig } from './checkpoint-config.js';
import { configFile, exists, preprocessorFile, processorFile, weightsFile } from './checkpoint-files.js';
import { inferGeometry } from './infer-geometry.js';
import { type Library, plainNames } from './plain-names.js';
import { readJson, text } from './read-json.js';
import { checkLayout, type TensorLayout, timmLayout } from './tensor-layout.js';
import { readTimmConfig, timmConfigSchema } from './timm-config.js';
import { checkModelType, readTransformersConfig, transformersConfigSchema } from './transformers-config.js';
import { type PreprocessorConfig, preprocessorSchema, processorSchema } from './transformers-preprocessor.js';
import { transformersLayout } from './transformers-tensors.js';
import { findWeights, noConfig } from './weights-files.js';
import { openWeights, type WeightsReader } from './weights-reader.js';

export interface LoadOptions {
  /**
   * Input height and width in pixels, multiples of the patch size. When they differ from the checkpoint's
   * own, its position embedding is interpolated.
   */
  readonly imageSize?: readonly [height: number, width: number];
}

export interface FolderOptions extends LoadOptions {
  /** The geometry that the checkpoint must have; its classifier may differ. Absent: whatever the tensors show. */
  readonly expected?: VitConfig;
  /** What to do when a file is missing. */
  readonly howToGet?: string;
}

/** A checkpoint without its weights. */
export interface CheckpointSummary {
  readonly config: VitConfig;
  readonly preprocessing: Preprocessing;
  readonly notes: readonly string[];
}

/**
 * Loads a checkpoint from a folder with `config.json` and `model.safetensors` (or its shards), as timm puts them on the
 * hub, or as transformers does for its vision models (then with `preprocessor_config.json`).
 *
 * @throws MissingDataError when a file is not there
 * @throws FormatError when a file is truncated, corrupt or foreign
 * @throws CheckpointError when the tensors do not make up the model, or when it needs what is not supported
 * @throws InputError when the image size asked for is not a multiple of the patch size
 */
export function loadCheckpointFolder(folder: string, options: FolderOptions = {}): Promise<Checkpoint> {
  return withFolder(folder, options, async ({ weights, layout, stored, summary }) => {
    const { tensors, sha256 } = await weights.read(layout);
    const { config, ...rest } = summary;
    return {
      ...rest,
      model: vitArchitecture(config),
      tensors: adaptPositions(tensors, stored, config),
      fingerprint: adaptedFingerprint(sha256, stored, config),
    };
  });
}

/** What `loadCheckpointFolder` would load, from the headers of the files alone; throws the same errors. */
export function inspectCheckpointFolder(
  folder: string,
  options: FolderOptions = {},
): Promise<CheckpointSummary> {
  return withFolder(folder, options, async ({ summary }) => summary);
}

interface OpenFolder {
  readonly weights: WeightsReader;
  readonly layout: TensorLayout;
  /** The model that the weights are made for; the one that is asked for may take images of another size. */
  readonly stored: VitConfig;
  readonly summary: CheckpointSummary;
}

async function withFolder<T>(
  folder: string,
  { expected, imageSize, howToGet = missingAdvice(folder) }: FolderOptions,
  use: (opened: OpenFolder) => Promise<T>,
): Promise<T> {
  const { library, complete } = await readConfig(folder, howToGet);
  const read = await complete();
  const files = await findWeights(folder, howToGet);
  const paths = { weights: files.index?.path ?? files.paths[0]!, config: join(folder, configFile) };
  const weights = await openWeights(files, howToGet);
  try {
    const plain = plainNames(weights.shapes, library, paths.weights);
    const { stated, layout: plainLayout } = read(plain.shapes);
    const layout = plain.stored(plainLayout);
    const stored = inferGeometry(layout, stated, paths);
    if (expected !== undefined) checkExpected(stored, expected, paths.config);
    const { weights: wanted, classifier, name } = vitArchitecture(stored);
    checkLayout(layout, { name, shapes: new Map([...wanted, ...classifier]) }, paths.weights);
    weights.checkTypes(layout);
    if (imageSize === undefined) checkHoldsPatch(stored, stated.preprocessing.imageSize, paths.config);
    else checkAskedSize(stored, imageSize);
    const config = adaptConfig(stored, imageSize ?? stated.preprocessing.imageSize);
    const preprocessing = { ...stated.preprocessing, imageSize: config.imageSize };
    const notes = [...stated.notes, ...plain.notes, ...adaptNotes(stored, config)];
    return await use({ weights, layout, stored, summary: { config, preprocessing, notes } });
  } finally {
    await weights.close();
  }
}

/** Fields in the words of errors. */
const titles: Partial<Record<keyof VitConfig, string>> = {
  imageSize: 'image size',
  patchSize: 'patch size',
  mlpWidth: 'MLP width',
  layerNormEps: 'epsilon',
  layerScale: 'layer scale',
  preNorm: 'norm before the blocks',
};

/** @throws CheckpointError naming in what the model is another than the one expected; its classifier may differ */
function checkExpected(found: VitConfig, expected: VitConfig, where: string): void {
  const [received, wanted] = [found, expected].map((config) => ({ ...plainVit, ...config }));
  const free = new Set(['name', 'numClasses', 'headBias']);
  const keys = Object.keys(wanted!).filter((key) => !free.has(key)) as (keyof VitConfig)[];
  const differ = keys.filter((key) => String(received![key]) !== String(wanted![key]));
  if (differ.length === 0) return;
  const list = (config: VitConfig) =>
    differ.map((key) => `${titles[key] ?? key} ${[config[key]].flat().join('×')}`).join(', ');
  throw new CheckpointError(`The configuration is not that of ${expected.name}.`, {
    where,
    expected: list(wanted!),
    received: `${found.name}: ${list(received!)}`,
    fix: `Put the files of ${expected.name} there, or give the folder's path as the model.`,
  });
}

type Shapes = ReadonlyMap<string, Shape>;

/** What a checkpoint's configuration tells before the weights are there. */
export interface InspectedConfig {
  /** Which library wrote it; a model of transformers needs its preprocessor's configuration, too. */
  readonly library: Library;
}

/**
 * Reads the `config.json` of a folder alone.
 * @throws MissingDataError | FormatError when it is not there or not right
 * @throws CheckpointError when it says that the model needs what is not supported
 */
export async function inspectConfig(folder: string, howToGet: string): Promise<InspectedConfig> {
  const { library } = await readConfig(folder, howToGet);
  return { library };
}

const modelTypeSchema = z.looseObject({ model_type: text.optional() });

interface ReadConfig extends InspectedConfig {
  /** What the configuration means once the names of the tensors are known. */
  complete(): Promise<
    (shapes: Shapes) => { readonly stated: CheckpointConfig; readonly layout: TensorLayout }
  >;
}

async function readConfig(folder: string, howToGet: string): Promise<ReadConfig> {
  const path = join(folder, configFile);
  const { model_type: type } = await readJson(path, modelTypeSchema, howToGet).catch(
    async (error: unknown) => {
      throw error instanceof MissingDataError ? await noConfig(folder, error) : error;
    },
  );
  if (type === undefined || type === 'timm_wrapper') {
    const stated = readTimmConfig(await readJson(path, timmConfigSchema, howToGet), path);
    return { library: 'timm', complete: async () => (shapes) => ({ stated, layout: timmLayout(shapes) }) };
  }
  const config = await readJson(path, transformersConfigSchema, howToGet);
  checkModelType(config, path);
  return {
    library: 'transformers',
    complete: async () => {
      const { path: preprocessor, processor } = await readProcessor(folder, howToGet);
      const name = basename(resolve(folder));
      const files = { config, processor, name, paths: { config: path, preprocessor } };
      return (shapes) => {
        const { unused, ...stated } = readTransformersConfig({ ...files, tensors: [...shapes.keys()] });
        return { stated, layout: transformersLayout(shapes, unused) };
      };
    },
  };
}

async function readProcessor(
  folder: string,
  howToGet: string,
): Promise<{ readonly path: string; readonly processor: PreprocessorConfig }> {
  const path = join(folder, preprocessorFile);
  try {
    return { path, processor: await readJson(path, preprocessorSchema, howToGet) };
  } catch (error) {
    const both = join(folder, processorFile);
    if (!(error instanceof MissingDataError) || !(await exists(both))) throw error;
    const { image_processor: processor } = await readJson(both, processorSchema, howToGet);
    return { path: both, processor };
  }
}

const missingAdvice = (folder: string) =>
  `Put ${configFile} and ${weightsFile} into ${folder}, and for a model of transformers ${preprocessorFile}, which ` +
  'AutoImageProcessor.from_pretrained(…).save_pretrained(…) writes: take that of the model it was fine-tuned from.';
