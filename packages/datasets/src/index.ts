import type { DatasetDefinition } from '@kora-bench/core/data';
import { camvid } from './camvid/index.js';
import { cifar10, cifar100 } from './cifar/index.js';
import { nyuDepthV2 } from './nyu-depth-v2/index.js';
import { proceduralDatasets } from './procedural/index.js';
import { tinyImageNet } from './tiny-imagenet/index.js';
import { voc2012 } from './voc2012/index.js';

export {
  type Batch,
  type BatchOptions,
  type BatchTargets,
  batches,
  imageTargets,
} from './batches/batches.js';
export {
  type ContentEntry,
  type ContentReader,
  type ContentSelection,
  type ContentSource,
  rootByMarker,
} from './content/content-source.js';
export { openContent } from './content/open-content.js';
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
export { type NyuOptions, openNyuDepthV2 } from './nyu-depth-v2/index.js';
export { type FolderDataset, folderDataset, openFolderDataset } from './own-folder/index.js';
export { preparePixels, prepareTarget } from './preprocess/eval-transform.js';
export type { ImageExtent, PixelRegion } from './preprocess/pillow-resample.js';
export type { PixelGeometry } from './preprocess/pixel-geometry.js';
export * from './procedural/index.js';
export { type FileExample, type FileSplitDescription, fileSplit, pairFiles } from './split/file-split.js';
export {
  type Carving,
  type CompleteDataset,
  carve,
  evenSubset,
  perClassSubset,
  relabelled,
  shareSubset,
  subset,
  withValidation,
} from './split/selection.js';
export type { ExampleReader, ExampleStore } from './split/stored-split.js';
export { type StoredSplitDescription, storedSplit } from './split/stored-split.js';
export { checkDataset, crcFailures } from './verify/check-dataset.js';
export { camvid, cifar10, cifar100, nyuDepthV2, tinyImageNet, voc2012 };

/** The data sets of this package; those that need no download come first. */
export const datasets: readonly DatasetDefinition[] = [
  ...proceduralDatasets,
  tinyImageNet,
  cifar10,
  cifar100,
  voc2012,
  camvid,
  nyuDepthV2,
];
