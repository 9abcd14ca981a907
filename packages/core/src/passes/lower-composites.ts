import { InternalError } from '../errors/kora-error.js';
import type { Program } from '../graph/graph.js';
import type { CompositeKind } from '../graph/op.js';
import { compositeKinds, definitionOf } from '../ops/registry.js';
import type { Tensor } from '../tensor/tensor.js';
import { rewriteProgram } from './rewrite.js';

/**
 * Replaces every composite that is not in `native` by its lowering, until only native ones remain. Every
 * backend calls it in `compile` with the composites that it has kernels for.
 */
export function lowerComposites(program: Program, native: ReadonlySet<CompositeKind>): Program {
  const foreign = new Set<string>(compositeKinds.filter((kind) => !native.has(kind)));
  let current = program;
  while (current.nodes.some((node) => foreign.has(node.op.kind))) {
    current = rewriteProgram(current, (node, inputs) =>
      foreign.has(node.op.kind) ? lower(node.op.kind, node, inputs) : undefined,
    );
  }
  return current;
}

function lower(kind: string, node: Program['nodes'][number], inputs: readonly Tensor[]): Tensor {
  const definition = definitionOf(node.op);
  if (definition.lower === undefined) throw new InternalError(`${kind} has no lowering.`);
  return definition.lower(node.op, inputs);
}
