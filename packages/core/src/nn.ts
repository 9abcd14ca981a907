/* The Vision Transformer with its sites and weights. */
export { interpolatePositionEmbedding } from './nn/position-embedding.js';
export { type LinearLayer, linearLayers, type Site, type SiteHook } from './nn/site.js';
export { patchTokens, type TokenLayout, type VitOutput, vit, type WeightLookup } from './nn/vit.js';
export { type Checkpoint, patchGrid, tokenCount, type VitConfig, vitWeightShapes } from './nn/vit-config.js';
