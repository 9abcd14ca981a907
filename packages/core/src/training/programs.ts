import { gradients } from '../autodiff/gradients.js';
import type { Program } from '../graph/graph.js';
import { add, mul } from '../ops/elementwise.js';
import { sum } from '../ops/reduce.js';
import { makeProgram, rewriteProgram } from '../passes/rewrite.js';
import { simplifyDifferentiated } from '../passes/simplify.js';
import type { NoiseSpec } from '../peft/attach.js';
import type { Tensor } from '../tensor/tensor.js';
import type { OptimizerConfig } from './optimizer.js';
import { clipByNorm, gradientNorm, optimizerUpdate } from './optimizer.js';
import type { ParameterLayout } from './parameter-layout.js';
import { packGradients, parameterSlices } from './parameter-layout.js';
import type { ModelSpec } from './trace-model.js';
import { simplifyForward, traceModel } from './trace-model.js';

/** Name of the feed that weighs each example's loss, `[B]`: 1/n for n real examples, 0 for padding. */
export const exampleWeightFeed = 'exampleWeight';

export interface TrainProgram {
  /**
   * Feeds: images, targets by kind, exampleWeight and the optimiser's scalars. States: `parameters` and the
   * optimiser's. Outputs: `loss` [], `gradientNorm` [], `gradients` [P].
   */
  readonly program: Program;
  readonly layout: ParameterLayout;
  /** Parameters of the layout that the loss does not depend on: no gradient can ever reach them. */
  readonly unreached: readonly string[];
  /** Noise that the program is to be fed in every step. */
  readonly noise: readonly NoiseSpec[];
}

export interface TrainSpec extends ModelSpec {
  readonly optimizer: OptimizerConfig;
  /** Largest L2 norm of the gradient; larger ones are scaled down. Absent: no clipping. */
  readonly clipNorm?: number;
}

/** Traces a whole training step: forward pass, loss, gradients, clipping and the optimiser's update. */
export function buildTrainProgram(spec: TrainSpec): TrainProgram {
  const traced = traceModel(spec, { training: true });
  const { layout, noise, penalty } = traced;
  const weighed = traced.builder.withScope('loss', () => {
    const feeds = spec.task
      .targets(spec.model, spec.batchSize)
      .map(({ kind, shape, dtype }) => [kind, traced.builder.feed(kind, shape, dtype)] as const);
    const losses = spec.task.loss(traced.prediction, Object.fromEntries(feeds));
    const loss = sum(mul(losses, traced.builder.feed(exampleWeightFeed, [spec.batchSize])));
    return penalty === undefined ? loss : add(loss, penalty);
  });
  const [loss, parameters] = simplifyForward([weighed, traced.parameters!], { training: true });
  const found = gradients(loss!, parameterSlices(parameters!, layout));
  return parameters!.builder.withinScope('update', () => {
    const gradient = packGradients(found, layout, parameters!);
    const norm = gradientNorm(gradient);
    const clipped = spec.clipNorm === undefined ? gradient : clipByNorm(gradient, norm, spec.clipNorm);
    const updates = optimizerUpdate(spec.optimizer, parameters!, clipped, layout);
    const program = makeProgram({ loss: loss!, gradientNorm: norm, gradients: gradient }, updates);
    const unreached = layout.entries.filter((_, i) => found[i] === undefined).map(({ name }) => name);
    return { program: rewriteProgram(program, simplifyDifferentiated), layout, unreached, noise };
  });
}

/** What an evaluation program returns. */
export type EvalOutput = 'prediction' | 'features';

/**
 * Traces the forward pass. Feeds: images. States: `parameters`, if anything is trainable. Outputs:
 * `prediction` (logits `[B, C]` or log depth `[B, H, W]`), `features` `[B, F]`.
 */
export function buildEvalProgram(
  spec: ModelSpec,
  outputs: readonly EvalOutput[],
): { program: Program; layout: ParameterLayout } {
  const { prediction, output, layout } = traceModel(spec, { training: false });
  const made = { prediction, features: output.features };
  return { program: forwardProgram(new Map(outputs.map((name) => [name, made[name]]))), layout };
}

/** A program of a forward pass alone, with its outputs by name. */
export function forwardProgram(outputs: ReadonlyMap<string, Tensor>): Program {
  const roots = simplifyForward([...outputs.values()], { training: false });
  const program = makeProgram(Object.fromEntries([...outputs.keys()].map((name, i) => [name, roots[i]!])));
  return rewriteProgram(program, simplifyDifferentiated);
}
