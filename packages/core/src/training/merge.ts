import { InputError } from '../errors/kora-error.js';
import type { GraphNode } from '../graph/graph.js';
import type { Shape } from '../graph/shape.js';
import { sameShape } from '../graph/shape.js';
import type { Architecture } from '../nn/architecture.js';
import { reparametrized } from '../nn/trace-sites.js';
import { definitionOf } from '../ops/registry.js';
import { planEager, runEager } from '../passes/eager-plan.js';
import { attachMethod } from '../peft/attach.js';
import type { ConfiguredMethod } from '../peft/method.js';
import { stagesOf } from '../peft/method.js';
import { runMethod } from '../peft/method-faults.js';
import type { HostTensor, Weights } from '../tensor/host-tensor.js';
import type { Tensor } from '../tensor/tensor.js';
import { GraphBuilder } from '../tracing/graph-builder.js';

/**
 * Folds a trained method into the backbone's weights: by its own `merge`, or, where it does nothing but give weights
 * and biases another form, by computing these.
 * @param values the backbone's weights and the method's parameters by name
 * @returns the changed weights alone; `undefined` where the method cannot be merged
 * @throws InputError for a value that is missing, or a merge that returns something else than weights of the model
 */
export function mergeMethod(
  model: Architecture,
  method: ConfiguredMethod,
  values: Weights,
): Weights | undefined {
  const { definition, options } = method;
  if (definition.merge !== undefined) {
    const own = new Map(
      definition.parameters(model, options).map(({ name }) => [name, requireWeight(values, name)] as const),
    );
    const merged = runMethod(definition.name, 'merge', () => definition.merge!(values, own, model, options));
    return checked(merged, model, definition.name);
  }
  const attached = attachToWeights(model, method);
  if (attached === undefined) return undefined;
  const { hooks, weight, shapes } = attached;
  const changed = new Map<string, Tensor>();
  for (const site of model.sites) {
    if (site.weight === undefined || site.rows !== undefined) continue;
    const parts = model.sites.filter((part) => part.weight === site.weight && part.rows !== undefined);
    const found = reparametrized(site, parts, { weight, hooks });
    changed.set(site.weight, found.weight);
    if (site.bias !== undefined) changed.set(site.bias, found.bias!);
  }
  const merged = new Map<string, HostTensor>();
  for (const [name, tensor] of changed) {
    if (isStored(tensor)) continue;
    const data = Float32Array.from(evaluate(tensor, values).data);
    merged.set(name, { dtype: 'f32', shape: shapes.get(name)!, data });
  }
  return merged;
}

/** Whether {@link mergeMethod} can merge a method. */
export function canMerge(model: Architecture, method: ConfiguredMethod): boolean {
  return method.definition.merge !== undefined || attachToWeights(model, method) !== undefined;
}

/** A method attached to frozen weights alone; `undefined` where it does more than give weights another form. */
function attachToWeights(model: Architecture, method: ConfiguredMethod) {
  const builder = new GraphBuilder();
  const own = method.definition.parameters(model, method.options);
  const shapes = new Map<string, Shape>([
    ...model.weights,
    ...own.map(({ name, shape }) => [name, shape] as const),
  ]);
  const weight = (name: string): Tensor => builder.frozen(name, shapes.get(name)!);
  const hooks = attachMethod({
    model,
    method,
    stage: stagesOf(method).at(-1)!.name,
    batchSize: 1,
    names: new Set(shapes.keys()),
    parameter: weight,
  });
  const { value, tokens, keysAndValues } = hooks;
  const reachesValues = value !== undefined || tokens !== undefined || keysAndValues !== undefined;
  if (reachesValues || (hooks.weight === undefined && hooks.bias === undefined)) return undefined;
  return { hooks, weight, shapes };
}

/** Whether a tensor is a weight as it is stored, or a view of one. */
function isStored(tensor: Tensor): boolean {
  const { op, inputs } = tensor.builder.node(tensor.id);
  if (op.kind === 'frozen') return true;
  return op.kind === 'reshape' && tensor.builder.node(inputs[0]!).op.kind === 'frozen';
}

/** Computes one tensor of a graph of frozen weights in float64. */
function evaluate({ builder, id }: Tensor, weights: Weights): HostTensor {
  const source = ({ op, dtype, shape }: GraphNode): HostTensor | undefined => {
    if (op.kind === 'constant') return { dtype, shape, data: op.data };
    if (op.kind !== 'frozen') return undefined;
    return { dtype, shape, data: Float64Array.from(requireWeight(weights, op.name).data) };
  };
  const [value] = runEager<HostTensor>(planEager(builder, [id]), {
    store: { share: (value) => value, release: () => undefined },
    given: source,
    kernel: (node) => (operands) => definitionOf(node.op).evaluate(node.op, operands, node),
  });
  return value!;
}

function requireWeight(values: Weights, name: string): HostTensor {
  const value = values.get(name);
  if (value !== undefined) return value;
  throw new InputError(`There is no value of ${name} to merge.`, {
    expected: `a tensor named ${name}`,
    received: 'nothing',
    where: name,
    fix: 'Pass all weights of the backbone and all parameters of the method.',
  });
}

function checked(merged: Weights, model: Architecture, method: string): Weights {
  for (const [name, { shape, data }] of merged) {
    const expected = model.weights.get(name);
    if (expected !== undefined && sameShape(expected, shape) && data.length > 0) continue;
    throw new InputError(
      `merge of the method ${method} returns something that is no weight of ${model.name}.`,
      {
        where: `method ${method}: merge`,
        expected:
          expected === undefined ? 'names of the backbone’s weights' : `${name} [${expected.join(', ')}]`,
        received: `${name} [${shape.join(', ')}]`,
        fix: 'Return changed weights under the backbone’s own names, in their shapes.',
      },
    );
  }
  return merged;
}
