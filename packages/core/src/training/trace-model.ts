import type { Architecture, ForwardOutput } from '../nn/architecture.js';
import type { Site } from '../nn/site.js';
import { mergeLinear, narrowEarly } from '../passes/forward-rewrites.js';
import { rewriteGraph } from '../passes/rewrite.js';
import { simplify } from '../passes/simplify.js';
import type { WeightFormOptions } from '../passes/weight-forms.js';
import { applyWeightForms } from '../passes/weight-forms.js';
import type { NoiseSpec } from '../peft/attach.js';
import { attachMethod } from '../peft/attach.js';
import type { ConfiguredMethod, MethodHooks } from '../peft/method.js';
import type { Tensor } from '../tensor/tensor.js';
import { GraphBuilder } from '../tracing/graph-builder.js';
import type { OwnedParameter } from './model-parameters.js';
import { modelParameters } from './model-parameters.js';
import type { ParameterLayout } from './parameter-layout.js';
import { layoutParameters, unpackParameters } from './parameter-layout.js';
import type { Task } from './task.js';

/** Name of the state that holds all trainable parameters, `[P]`. */
export const parametersState = 'parameters';
/** Name of the image feed, `[B, 3, H, W]`, normalised. */
export const imagesFeed = 'images';

export interface ModelSpec {
  readonly model: Architecture;
  readonly method: ConfiguredMethod;
  readonly task: Task;
  readonly batchSize: number;
  /** The method's stage to trace. */
  readonly stage: string;
  /** Which parameters live in the trainable state; all others are frozen weights of the same name. */
  trains(parameter: OwnedParameter): boolean;
}

export interface TracedModel {
  readonly builder: GraphBuilder;
  readonly layout: ParameterLayout;
  /** The flat state; absent when nothing trains. */
  readonly parameters: Tensor | undefined;
  readonly output: ForwardOutput;
  readonly prediction: Tensor;
  /** What the method adds to the loss. */
  readonly penalty: Tensor | undefined;
  /** The method's noise, to be fed anew in every step. */
  readonly noise: readonly NoiseSpec[];
}

export interface TraceOptions {
  /** Whether the method may ask for noise. */
  readonly training: boolean;
  /** Is shown every site, with the value that the method left there. */
  seen?(site: Site): void;
}

/**
 * Traces model, method and head up to the prediction.
 * @throws MethodError | InputError for a method that does not keep to its contract
 */
export function traceModel(spec: ModelSpec, { training, seen }: TraceOptions): TracedModel {
  const { model, method, task, batchSize, stage } = spec;
  const builder = new GraphBuilder();
  const owned = modelParameters(model, method, task);
  const layout = layoutParameters(owned.filter((parameter) => spec.trains(parameter)));
  const parameters = layout.length === 0 ? undefined : builder.state(parametersState, [layout.length]);
  const trainable =
    parameters === undefined ? new Map<string, Tensor>() : unpackParameters(parameters, layout);
  const shapes = new Map(owned.map(({ name, shape }) => [name, shape]));
  const lookup = (name: string) => trainable.get(name) ?? builder.frozen(name, shapes.get(name)!);
  const known = owned.filter(({ owner }) => owner !== 'head').map(({ name }) => name);
  const noise = new Map<string, NoiseSpec>();
  const drawn = (spec: NoiseSpec) => {
    noise.set(spec.feed, spec);
    return builder.feed(spec.feed, spec.shape);
  };

  const images = builder.feed(imagesFeed, [batchSize, 3, ...model.imageSize]);
  const hooks = attachMethod({
    model,
    method,
    stage,
    batchSize,
    names: new Set(known),
    parameter: lookup,
    ...(training && { noise: drawn }),
  });
  const output = model.forward(images, { weight: lookup, hooks: seen ? shownTo(seen, hooks) : hooks });
  const penalty = training ? hooks.penalty?.() : undefined;
  const prediction = builder.withScope('head', () => task.predict(output, model, lookup));
  return { builder, layout, parameters, output, prediction, penalty, noise: [...noise.values()] };
}

function shownTo(seen: (site: Site) => void, hooks: MethodHooks): MethodHooks {
  return {
    ...hooks,
    value(site) {
      const value = hooks.value?.(site) ?? site.value;
      seen({ ...site, value });
      return value;
    },
  };
}

/**
 * Runs the algebraic passes over what `roots` need; done before differentiation, so that gradients profit too.
 * @param options.training whether the graph is going to be differentiated
 */
export function simplifyForward(roots: readonly Tensor[], options: WeightFormOptions): Tensor[] {
  const builder = roots[0]!.builder;
  const simplified = rewriteGraph(
    builder,
    roots.map((root) => root.id),
    simplify,
  );
  const narrowed = narrowEarly(applyWeightForms(narrowEarly(simplified), options));
  return mergeLinear(narrowed);
}
