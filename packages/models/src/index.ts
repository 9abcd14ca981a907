export { adaptImageSize } from './checkpoint/adapt-image-size.js';
export {
  type CheckpointSummary,
  type FolderOptions,
  inspectCheckpointFolder,
  loadCheckpointFolder,
} from './checkpoint/load-checkpoint-folder.js';
export { type DownloadOptions, type DownloadProgress, download } from './hub/download.js';
export type { LoadOptions, ModelContext, ModelDefinition } from './model-definition.js';
export { models } from './registry/models.js';
export { loadModel, resolveModel } from './registry/resolve-model.js';
export { vitMicroFolder } from './registry/vit-micro.js';
export { vitMicroConfig, vitMicroPreprocessing } from './registry/vit-micro-config.js';
