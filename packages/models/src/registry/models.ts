import type { ModelDefinition } from '../model-definition.js';
import { timmModels } from './timm-models.js';
import { vitMicro } from './vit-micro.js';

/** All backbones of this package; the embedded one first. */
export const models: readonly ModelDefinition[] = [vitMicro, ...timmModels];
