import { ShapeError } from '../errors/kora-error.js';
import type { NodeId } from '../graph/graph.js';
import { formatShape } from '../graph/shape.js';
import { add } from '../ops/elementwise.js';
import { definitionOf } from '../ops/registry.js';
import { callerLine } from '../ops/requirements.js';
import { constant } from '../ops/sources.js';
import type { TracedGraph } from '../tensor/tensor.js';
import { Tensor } from '../tensor/tensor.js';

/**
 * Reverse-mode gradients of the scalar `loss` with respect to each of `wrt`, appended to the same
 * graph as ordinary ops, so they can be differentiated again. Adjoints are built only along paths
 * from `loss` to some `wrt`: a frozen layer costs no weight gradient.
 * @returns one tensor per `wrt`, of its shape; `undefined` where the loss does not depend on it.
 * @throws ShapeError when `loss` is not a scalar.
 */
export function gradients(loss: Tensor, wrt: readonly Tensor[]): (Tensor | undefined)[] {
  if (loss.rank !== 0) {
    throw new ShapeError('Only a scalar can be differentiated.', {
      expected: 'a loss of shape []',
      received: formatShape(loss.shape),
      where: callerLine(),
      fix: 'Reduce the loss with mean or sum.',
    });
  }
  const targets = new Set(wrt.map((tensor) => tensor.id));
  const adjoints = backpropagate(loss, constant(loss.builder, 1), targets, new Set());
  return wrt.map((tensor) => adjoints.get(tensor.id));
}

/**
 * Vector–Jacobian products of `root` with the adjoint `dy`, for every node on a path to `targets`.
 * Nothing flows further down from a node in `stop`.
 */
function backpropagate(
  root: Tensor,
  dy: Tensor,
  targets: ReadonlySet<NodeId>,
  stop: ReadonlySet<NodeId>,
): Map<NodeId, Tensor> {
  const { builder } = root;
  const leads = leadingTo(builder, root.id, targets);
  const adjoints = new Map<NodeId, Tensor>();
  if (leads[root.id] === 1) adjoints.set(root.id, dy);

  for (let id = root.id; id >= 0; id--) {
    const adjoint = adjoints.get(id);
    const node = builder.node(id);
    const needs = (i: number) => leads[node.inputs[i]!] === 1;
    if (adjoint === undefined || stop.has(id) || !node.inputs.some((_, i) => needs(i))) continue;
    const scope = node.scope.startsWith('backward')
      ? node.scope
      : `backward.${node.scope}`.replace(/\.$/, '');
    const contributions = builder.withinScope(scope, () =>
      inputAdjoints(new Tensor(builder, id), adjoint, needs),
    );
    contributions.forEach((contribution, i) => {
      if (contribution === undefined || !needs(i)) return;
      const input = node.inputs[i]!;
      const sofar = adjoints.get(input);
      adjoints.set(input, sofar === undefined ? contribution : add(sofar, contribution));
    });
  }
  return adjoints;
}

function inputAdjoints(
  output: Tensor,
  dy: Tensor,
  needs: (i: number) => boolean,
): readonly (Tensor | undefined)[] {
  const { builder } = output;
  const { op, inputs: ids } = builder.node(output.id);
  const inputs = ids.map((id) => new Tensor(builder, id));
  const definition = definitionOf(op);
  if (definition.gradient !== undefined) return definition.gradient(op, { inputs, output, dy, needs });
  if (definition.lower === undefined) return inputs.map(() => undefined);
  const all = new Set(ids);
  const wanted = new Set(ids.filter((_, i) => needs(i)));
  const adjoints = backpropagate(definition.lower(op, inputs), dy, wanted, all);
  // An input that is read twice has one adjoint here, the sum over both places: it must count once.
  return ids.map((id, i) => (ids.indexOf(id) === i ? adjoints.get(id) : undefined));
}

/** Marks the nodes up to `root` from which a path leads down to one of `targets`. */
function leadingTo(builder: TracedGraph, root: NodeId, targets: ReadonlySet<NodeId>): Uint8Array {
  const marks = new Uint8Array(root + 1);
  for (let id = 0; id <= root; id++) {
    marks[id] = targets.has(id) || builder.node(id).inputs.some((input) => marks[input] === 1) ? 1 : 0;
  }
  return marks;
}
