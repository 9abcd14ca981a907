/* The contract of methods, and building blocks for them. */

export { type AttachSpec, attachMethod, type NoiseSpec } from './peft/attach.js';
export {
  type BottleneckWeights,
  bottleneckDelta,
  type CompositionWeights,
  composeDeltas,
  gated,
  lowRankDelta,
} from './peft/blocks.js';
export {
  type ConfiguredMethod,
  defineMethod,
  type InitializeContext,
  type MethodBinding,
  type MethodCaveat,
  type MethodDefinition,
  type MethodHooks,
  type MethodStage,
  stagesOf,
} from './peft/method.js';
export { methodParameters, runMethod } from './peft/method-faults.js';
export { dropout, dropPath, noiseFeeds } from './peft/noise.js';
export {
  type Initializer,
  initializerKinds,
  initialValue,
  linearInit,
  type ParameterSpec,
  type UpdateFactors,
} from './peft/parameter.js';
export {
  allLinear,
  type LinearSite,
  type LinearTarget,
  type LinearTargets,
  layerList,
  linearLayers,
  linearTargetList,
  linearTargets,
  requireRank,
  targetLayers,
} from './peft/targets.js';
