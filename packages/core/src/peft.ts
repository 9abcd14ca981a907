/* The contract of methods, and building blocks for them. */

export {
  adapterConfigFile,
  readPeftFields,
  refuseFeatures,
  unsupportedField,
} from './peft/adapter-config.js';
export {
  type AdapterToRead,
  type AdapterToWrite,
  type LoadedPeftAdapter,
  type PeftAdapter,
  readPeftAdapter,
  requireParameter,
  writePeftAdapter,
} from './peft/adapter-folder.js';
export {
  type AdapterLayer,
  kindsAndBlocks,
  layersForAdapters,
  layersInAllBlocks,
  layersOfAdapter,
  patternEntry,
  requireWholeLayers,
  targetsOf,
} from './peft/adapter-layers.js';
export { type AdapterTensors, adapterFile } from './peft/adapter-tensors.js';
export { type AttachSpec, attachMethod, type NoiseSpec } from './peft/attach.js';
export {
  type BasisKind,
  type BasisOptions,
  type BasisWeights,
  basisDelta,
  basisFaults,
  basisFields,
  basisFunctions,
  basisKinds,
  basisSize,
  completeBasis,
  type OptionFault,
} from './peft/basis.js';
export {
  type BasisAdapter,
  basisParameters,
  basisWeights,
  type GriddedAdapter,
  gridsFromData,
} from './peft/basis-parameters.js';
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
  withoutMethod,
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
  type PeftConfig,
  type PeftContent,
  type PeftForm,
  type PeftReadContext,
  type PeftReading,
  type PeftWriteContext,
  peftPrefix,
} from './peft/peft-form.js';
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
