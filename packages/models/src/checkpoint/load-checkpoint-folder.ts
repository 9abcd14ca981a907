import { basename, join, resolve } from 'node:path';
import type { Preprocessing } from '@kora-bench/core/data';
import { CheckpointError } from '@kora-bench/core/errors';
import type { Checkpoint, VitConfig } from '@kora-bench/core/nn';
import { vitArchitecture } from '@kora-bench/core/nn';
import { z } from 'zod';
import { adaptImageSize } from './adapt-image-size.js';
import type { CheckpointConfig } from './checkpoint-config.js';
import { configFile, preprocessorFile, readJson, weightsFile } from './checkpoint-files.js';
import { inferGeometry } from './infer-geometry.js';
import {
  checkLayout,
  hasTransformersNames,
  type TensorLayout,
  timmLayout,
  transformersLayout,
} from './tensor-layout.js';
import { readTimmConfig, timmConfigSchema } from './timm-config.js';
import {
  preprocessorSchema,
  readTransformersConfig,
  transformersConfigSchema,
} from './transformers-config.js';
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
 * Loads a checkpoint from a folder with `config.json` and `model.safetensors`, as timm puts them on the
 * hub, or as transformers does for its ViT (then with `preprocessor_config.json`).
 *
 * @throws MissingDataError when a file is not there
 * @throws FormatError when a file is truncated, corrupt or foreign
 * @throws CheckpointError when the tensors do not make up the model, or the model is no plain ViT
 * @throws InputError when the image size asked for is not a multiple of the patch size
 */
export async function loadCheckpointFolder(folder: string, options: FolderOptions = {}): Promise<Checkpoint> {
  const { imageSize } = options;
  const checkpoint = await withFolder(folder, options, async ({ weights, layout, summary }) => {
    const { tensors, sha256 } = await weights.read(layout);
    return { ...summary, tensors, fingerprint: sha256 };
  });
  const { config, ...rest } = imageSize === undefined ? checkpoint : adaptImageSize(checkpoint, imageSize);
  return { ...rest, model: vitArchitecture(config) };
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
  readonly summary: CheckpointSummary;
}

async function withFolder<T>(
  folder: string,
  { expected, howToGet = missingAdvice(folder) }: FolderOptions,
  use: (opened: OpenFolder) => Promise<T>,
): Promise<T> {
  const stated = await readConfig(folder, howToGet);
  const paths = { weights: join(folder, weightsFile), config: join(folder, configFile) };
  const weights = await openWeights(paths.weights, howToGet);
  try {
    const shapes = new Map([...weights.header.tensors].map(([name, { shape }]) => [name, shape]));
    const layout = hasTransformersNames(shapes.keys()) ? transformersLayout(shapes) : timmLayout(shapes);
    const config =
      expected === undefined
        ? inferGeometry(layout, stated, paths)
        : asExpected(expected, stated, layout, paths.config);
    checkLayout(layout, config, paths.weights);
    return await use({
      weights,
      layout,
      summary: { config, preprocessing: stated.preprocessing, notes: stated.notes },
    });
  } finally {
    await weights.close();
  }
}

/** The expected geometry with the classifier that the file brings along. */
function asExpected(
  expected: VitConfig,
  stated: CheckpointConfig,
  layout: TensorLayout,
  where: string,
): VitConfig {
  const same = stated.imageSize.every((side, i) => side === expected.imageSize[i]);
  if (!same || (stated.stated.heads ?? expected.heads) !== expected.heads) {
    throw new CheckpointError(`The configuration is not that of ${expected.name}.`, {
      where,
      expected: `${expected.imageSize.join('×')} pixels, ${expected.heads} heads`,
      received: `${stated.name}: ${stated.imageSize.join('×')} pixels, ${stated.stated.heads ?? 'unstated'} heads`,
      fix: `Put the files of ${expected.name} there, or give the folder's path as the model.`,
    });
  }
  const numClasses = layout.get('head.weight')?.shape[0] ?? 0;
  return { ...expected, numClasses, layerNormEps: stated.layerNormEps };
}

async function readConfig(folder: string, howToGet: string): Promise<CheckpointConfig> {
  const path = join(folder, configFile);
  const kind = await readJson(path, z.looseObject({ model_type: z.unknown().optional() }), howToGet);
  if (kind.model_type === undefined) {
    return readTimmConfig(await readJson(path, timmConfigSchema, howToGet), path);
  }
  const config = await readJson(path, transformersConfigSchema, howToGet);
  const processorPath = join(folder, preprocessorFile);
  const processor = await readJson(processorPath, preprocessorSchema, howToGet);
  return readTransformersConfig(config, processor, basename(resolve(folder)), processorPath);
}

const missingAdvice = (folder: string) =>
  `Put ${configFile} and ${weightsFile} (and, for a model of transformers, ${preprocessorFile}) into ${folder}.`;
