/* The contract of methods, and building blocks for them. */
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
  type MethodBinding,
  type MethodCaveat,
  type MethodDefinition,
  type MethodStage,
  stagesOf,
} from './peft/method.js';
export { type Initializer, initialValue, linearInit, type ParameterSpec } from './peft/parameter.js';
