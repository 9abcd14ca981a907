export type { CheckpointFiles, CheckpointToWrite } from './checkpoint/checkpoint-writer.js';
export {
  type CheckpointSummary,
  type FolderOptions,
  inspectCheckpointFolder,
  type LoadOptions,
  loadCheckpointFolder,
} from './checkpoint/load-checkpoint-folder.js';
export { timmVitConfig } from './checkpoint/timm-config.js';
export { timmCheckpointFiles } from './checkpoint/write-timm.js';
export { transformersCheckpointFiles } from './checkpoint/write-transformers.js';
export { type DownloadOptions, type DownloadProgress, download } from './download.js';
export { isHubName } from './registry/hub-model.js';
export type { ModelContext, ModelDefinition } from './registry/model-definition.js';
export { models, vitMicroFolder } from './registry/models.js';
export { loadModel, resolveModel } from './registry/resolve-model.js';
export { vitMicroConfig, vitMicroPreprocessing } from './registry/vit-micro-config.js';
