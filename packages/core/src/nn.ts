/* Architectures: what a model is, where methods reach in, and the Vision Transformer. */
export {
  type Architecture,
  type Checkpoint,
  type ForwardContext,
  type ForwardOutput,
  type PrefixToken,
  patchTokens,
  pooledTokens,
  prefixToken,
  requireSites,
  type TokenLayout,
  type Tokens,
  tokenCount,
  type WeightLookup,
} from './nn/architecture.js';
export { interpolatePositionEmbedding } from './nn/position-embedding.js';
export type {
  ForwardHooks,
  KeysAndValues,
  Site,
  SiteSpec,
  TokenSite,
} from './nn/site.js';
export { type SiteTracer, type SiteValue, traceSites } from './nn/trace-sites.js';
export { isPlainVit, type VitArchitecture, vitArchitecture, vitConfigOf } from './nn/vit.js';
export { positionedPrefix, type VitConfig, vitTokens, vitWeights } from './nn/vit-config.js';
export { vitSites } from './nn/vit-sites.js';
export { type Activation, activate, plainVit, type VitVariant } from './nn/vit-variant.js';
