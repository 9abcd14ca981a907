import type { NodeId, Program } from '@kora-bench/core';
import { sizeOf } from '@kora-bench/core';

/**
 * The nodes that may be small in the way that gradients are: all that comes after the first op of a backward
 * pass. Autodiff names its scope.
 */
export function backwardNodes({ nodes }: Program): ReadonlySet<NodeId> {
  const backward = new Set<NodeId>();
  for (const { id, scope, inputs } of nodes)
    if (/^backward(\.|$)/.test(scope) || inputs.some((input) => backward.has(input))) backward.add(id);
  return backward;
}

/** Smaller values gain nothing, and losses, which may be among them, should be exact. */
const fewestElements = 4096;

/**
 * Which stored values are kept in 16 bits where that is wanted: frozen weights and what the forward pass
 * computes. Gradients can be smaller than 16 bits can hold; states are the master copies; feeds, constants
 * and what the host asks for stay as they are.
 */
export function halfValues(
  program: Program,
  stored: Iterable<NodeId>,
  backward: ReadonlySet<NodeId>,
): ReadonlySet<NodeId> {
  const results = new Set([...program.outputs.values(), ...program.updates.values()]);
  const halves = new Set<NodeId>();
  for (const id of stored) {
    const { op, dtype, shape } = program.nodes[id]!;
    const source = op.kind === 'feed' || op.kind === 'state' || op.kind === 'constant';
    const worthwhile = dtype === 'f32' && sizeOf(shape) >= fewestElements;
    if (worthwhile && !source && !backward.has(id) && !results.has(id)) halves.add(id);
  }
  return halves;
}
