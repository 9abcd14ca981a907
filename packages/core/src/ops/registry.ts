import type { CompositeKind, Op, OpKind } from '../graph/op.js';
import { attentionDefinition, attentionGradDefinition, attentionStatisticsDefinition } from './attention.js';
import { crossEntropyDefinition, crossEntropyGradDefinition } from './cross-entropy.js';
import type { DefinitionOf, OpDefinition } from './definition.js';
import {
  binaryDefinition,
  castDefinition,
  compareDefinition,
  unaryDefinition,
  whereDefinition,
} from './elementwise-definitions.js';
import { geluDefinition, geluGradDefinition } from './gelu.js';
import { layerNormDefinition, layerNormGradDefinition, standardizeDefinition } from './layer-norm.js';
import { oneHotDefinition, reshapeDefinition, transposeDefinition } from './layout.js';
import { linearDefinition } from './linear.js';
import { matmulDefinition } from './matmul.js';
import { broadcastDefinition, reduceDefinition } from './reduce.js';
import { concatDefinition, padDefinition, sliceDefinition } from './slicing.js';
import { softmaxDefinition, softmaxGradDefinition } from './softmax.js';
import { constantDefinition, feedDefinition, frozenDefinition, stateDefinition } from './sources.js';
import { stopGradientDefinition } from './stop-gradient.js';

const definitions: { readonly [K in OpKind]: DefinitionOf<K> } = {
  feed: feedDefinition,
  frozen: frozenDefinition,
  state: stateDefinition,
  constant: constantDefinition,
  unary: unaryDefinition,
  binary: binaryDefinition,
  compare: compareDefinition,
  where: whereDefinition,
  cast: castDefinition,
  reduce: reduceDefinition,
  matmul: matmulDefinition,
  reshape: reshapeDefinition,
  transpose: transposeDefinition,
  broadcast: broadcastDefinition,
  slice: sliceDefinition,
  pad: padDefinition,
  concat: concatDefinition,
  oneHot: oneHotDefinition,
  linear: linearDefinition,
  stopGradient: stopGradientDefinition,
  standardize: standardizeDefinition,
  layerNorm: layerNormDefinition,
  layerNormGrad: layerNormGradDefinition,
  softmax: softmaxDefinition,
  softmaxGrad: softmaxGradDefinition,
  gelu: geluDefinition,
  geluGrad: geluGradDefinition,
  attention: attentionDefinition,
  attentionStatistics: attentionStatisticsDefinition,
  attentionGrad: attentionGradDefinition,
  crossEntropy: crossEntropyDefinition,
  crossEntropyGrad: crossEntropyGradDefinition,
};

/** All that is known of an op's kind. */
export function definitionOf(op: Op): OpDefinition<OpKind> {
  return definitions[op.kind] as unknown as OpDefinition<OpKind>;
}

/** Every composite of the op set. */
export const compositeKinds: readonly CompositeKind[] = (Object.keys(definitions) as OpKind[]).filter(
  (kind): kind is CompositeKind => definitions[kind].lower !== undefined,
);
