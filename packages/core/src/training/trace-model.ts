import type { VitOutput } from '../nn/vit.js';
import { vit } from '../nn/vit.js';
import type { VitConfig } from '../nn/vit-config.js';
import { mergeLinear, narrowEarly } from '../passes/forward-rewrites.js';
import { rewriteGraph } from '../passes/rewrite.js';
import { simplify } from '../passes/simplify.js';
import type { ConfiguredMethod } from '../peft/method.js';
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
  readonly model: VitConfig;
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
  readonly output: VitOutput;
  readonly prediction: Tensor;
}

/** Traces model, method and head up to the prediction. */
export function traceModel(spec: ModelSpec): TracedModel {
  const { model, method, task, batchSize, stage } = spec;
  const builder = new GraphBuilder();
  const owned = modelParameters(model, method, task);
  const layout = layoutParameters(owned.filter((parameter) => spec.trains(parameter)));
  const parameters = layout.length === 0 ? undefined : builder.state(parametersState, [layout.length]);
  const trainable =
    parameters === undefined ? new Map<string, Tensor>() : unpackParameters(parameters, layout);
  const shapes = new Map(owned.map(({ name, shape }) => [name, shape]));
  const lookup = (name: string) => trainable.get(name) ?? builder.frozen(name, shapes.get(name)!);

  const images = builder.feed(imagesFeed, [batchSize, 3, ...model.imageSize]);
  const hook = method.definition.attach?.({ model, options: method.options, stage, parameter: lookup });
  const output = vit(images, model, lookup, hook ?? ((site) => site.value));
  const prediction = builder.withScope('head', () => task.predict(output, model, lookup));
  return { builder, layout, parameters, output, prediction };
}

/** Runs the algebraic passes over what `roots` need; done before differentiation, so that gradients profit too. */
export function simplifyForward(roots: readonly Tensor[]): Tensor[] {
  const builder = roots[0]!.builder;
  const simplified = rewriteGraph(
    builder,
    roots.map((root) => root.id),
    simplify,
  );
  return mergeLinear(narrowEarly(simplified));
}
