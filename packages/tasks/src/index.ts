import type { TaskDefinition } from '@kora-bench/core/training';
import { classification } from './classification.js';
import { depth } from './depth.js';
import { regression } from './regression.js';
import { segmentation } from './segmentation.js';

export { classification, classificationTask } from './classification.js';
export {
  forEachUpsampled,
  type Grid,
  projectReadout,
  type ReadoutInputs,
  upsampleBilinear,
} from './dense-head.js';
export { type DepthOptions, depth, depthTask } from './depth.js';
export { regression, regressionTask, type Spread, spreadOf } from './regression.js';
export {
  type SegmentationOptions,
  type SegmentationTaskOptions,
  segmentation,
  segmentationLoss,
  segmentationTask,
} from './segmentation.js';

/** The tasks of this package. */
export const tasks: readonly TaskDefinition[] = [
  classification,
  depth,
  regression,
  segmentation,
] as readonly TaskDefinition[];
