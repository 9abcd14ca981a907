/*
 * What a page can use of this package: pictures, batches and their normalisation, without files, hashes and
 * image decoding, which are Node's. The pixels are those of the registered data set.
 */

export {
  augmentationMap,
  normalisationTable,
  normaliseImage,
  type SourceMap,
} from './batches/augmentation.js';
export {
  type Batch,
  type BatchOptions,
  type BatchTargets,
  batches,
  imageTargets,
} from './batches/batches.js';
export type { View } from './procedural/canvas.js';
export type { ProceduralFamily, RenderedImage } from './procedural/family.js';
export { type ProceduralExample, renderExample } from './procedural/family.js';
export { sourceFamily } from './procedural/source-family.js';
export { evenSubset, relabelled, subset, withValidation } from './split/selection.js';
