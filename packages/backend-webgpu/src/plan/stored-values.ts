import type { GraphNode, NodeId, Program } from '@kora-bench/core/graph';
import { sizeOf } from '@kora-bench/core/graph';
import { roleOf } from './op-roles.js';
import type { PlanView } from './plan-view.js';

/**
 * Which values are kept in a buffer: sources, anchors and joined values, results, and what would otherwise be
 * computed more than once. Everything else can be computed where it is read.
 */
export function storedValues(view: PlanView): ReadonlySet<NodeId> {
  const { nodes, readers, results, roles } = view;
  const stored = new Set<NodeId>();
  /** How often an element is computed, and whether the ops behind want it in memory. */
  const evaluations = new Float64Array(nodes.length);
  const wanted = new Uint8Array(nodes.length);
  for (let id = nodes.length - 1; id >= 0; id--) {
    const node = nodes[id]!;
    const role = roles[id];
    const size = sizeOf(node.shape);
    for (const reader of readers[id]!) {
      const { op, shape } = nodes[reader]!;
      const inline = !stored.has(reader);
      const spreads = inline && op.kind !== 'pad' && sizeOf(shape) > size;
      evaluations[id]! += (inline ? evaluations[reader]! : 1) * (spreads ? 2 : 1);
      if (readsAgain(op) || (inline && roles[reader] === 'view' && wanted[reader] === 1)) wanted[id] = 1;
    }
    const again = evaluations[id]! > 1 && size > 1 && !isCheap(view, node);
    if (
      role === 'source' ||
      role === 'anchor' ||
      role === 'joined' ||
      results.has(id) ||
      (role === 'pointwise' && (again || wanted[id] === 1))
    )
      stored.add(id);
  }
  return stored;
}

/** Whether computing a value from its only operand costs no more than reading it: one product or sum. */
function isCheap({ nodes, roles, uses }: PlanView, { op, inputs, shape }: GraphNode): boolean {
  if (op.kind !== 'binary' || !['add', 'sub', 'mul'].includes(op.fn)) return false;
  const read = new Set(inputs.filter((input) => nodes[input]!.op.kind !== 'constant'));
  const [operand] = read;
  if (read.size !== 1 || sizeOf(nodes[operand!]!.shape) !== sizeOf(shape)) return false;
  const role = roles[operand!];
  return role === 'source' || role === 'joined' || (role === 'anchor' && uses[operand!]! > 1);
}

/** Whether an op reads each element of its operands more than once. */
function readsAgain(op: GraphNode['op']): boolean {
  return roleOf(op) === 'anchor' && op.kind !== 'reduce';
}

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
