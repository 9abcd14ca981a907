import type { DatasetDefinition } from '@kora-bench/core';
import { cifar10, cifar100 } from './cifar/index.js';
import { proceduralDatasets } from './procedural/index.js';
import { tinyImageNet } from './tiny-imagenet/index.js';

export {
  type Batch,
  type BatchOptions,
  type BatchTargets,
  batches,
  imageTargets,
} from './batches/batches.js';
export type {
  DepthEncoding,
  ExamplePart,
  MaskEncoding,
  StoredDepth,
  StoredExample,
  StoredImage,
  StoredMask,
  TargetEncoding,
} from './decode/stored-example.js';
export type { PixelGeometry } from './preprocess/eval-transform.js';
export { preparePixels, prepareTarget } from './preprocess/eval-transform.js';
export * from './procedural/index.js';
export {
  type Carving,
  type CompleteDataset,
  evenSubset,
  perClassSubset,
  relabelled,
  shareSubset,
  subset,
  withValidation,
} from './split/selection.js';
export type { ExampleReader, ExampleStore } from './split/stored-split.js';
export { type StoredSplitDescription, storedSplit } from './split/stored-split.js';
export { cifar10, cifar100, tinyImageNet };

/** The data sets of this package; those that need no download come first. */
export const datasets: readonly DatasetDefinition[] = [
  ...proceduralDatasets,
  tinyImageNet,
  cifar10,
  cifar100,
];
