/* The contract of data sets: splits, targets, preprocessing. */
export type {
  DataContext,
  DatasetCheck,
  DatasetDefinition,
  ImageDataset,
  ImageSplit,
  PixelBatch,
  PixelReader,
  Preprocessing,
  SplitName,
} from './data/image-split.js';
export {
  type DepthTarget,
  ignoredPixel,
  kindsOf,
  type LabelTarget,
  type MaskTarget,
  pixelTargetKinds,
  requireTarget,
  type TargetKind,
  type TargetKindDefinition,
  type Targets,
  targetKindNames,
  targetKinds,
  targetShape,
  type ValueTarget,
} from './data/targets.js';
