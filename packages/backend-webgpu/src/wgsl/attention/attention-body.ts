import type { GraphNode, NodeId } from '@kora-bench/core';
import { InternalError, sizeOf } from '@kora-bench/core';
import type { KernelTarget } from '../kernel-target.js';
import { axesOf, axesPlace, flatPlace, hasQuads } from '../place.js';
import type { KernelBody, KernelContext } from '../write-kernel.js';
import { attentionGradBody } from './adjoint.js';
import type { AttentionOperand, AttentionProblem, AttentionScalar } from './attention-problem.js';
import { attentionBody } from './forward.js';
import type { RowSource } from './row-source.js';

/** The kernel of an attention, of its statistics, of both, or of one of its adjoints. */
export function attentionKernel(context: KernelContext, anchors: readonly NodeId[]): KernelBody {
  const node = context.program.nodes[anchors[0]!]!;
  const { op } = node;
  const source = rowSource(context.target);
  switch (op.kind) {
    case 'attention':
      return attentionBody(context, problemOf(context, node, op.scale), source, anchors[1]);
    case 'attentionStatistics':
      // Alone, where nothing reads the result: no value is weighed, so any will do.
      return attentionBody(context, problemOf(context, node, op.scale), source, node.id);
    case 'attentionGrad': {
      const [dy, statistics, o] = node.inputs.slice(3);
      const problem = {
        ...problemOf(context, node, op.scale),
        dy: operandOf(context, dy!),
        statistics: scalarOf('statistics', statistics!),
        o: operandOf(context, o!),
      };
      return attentionGradBody(context, problem, op.wrt, source);
    }
    default:
      throw new InternalError(`${op.kind} is not attention.`);
  }
}

function rowSource({ sharing, shuffles }: KernelTarget): RowSource {
  if (sharing.kind === 'subgroup') return sharing;
  return { kind: 'shared', lanesPerRow: shuffles ? 4 : 1 };
}

function problemOf(context: KernelContext, { id, op, inputs }: GraphNode, scale: number): AttentionProblem {
  const [q, k] = [inputs[0]!, inputs[1]!];
  const v = op.kind === 'attentionStatistics' ? k : inputs[2]!;
  const shapeOf = (operand: NodeId) => context.program.nodes[operand]!.shape;
  return {
    node: op.kind === 'attentionStatistics' ? -1 : id,
    heads: sizeOf(shapeOf(q).slice(0, -2)),
    N: shapeOf(q).at(-2)!,
    M: shapeOf(k).at(-2)!,
    d: shapeOf(q).at(-1)!,
    e: shapeOf(v).at(-1)!,
    scale,
    q: operandOf(context, q),
    k: operandOf(context, k),
    v: operandOf(context, v),
  };
}

function operandOf({ program, target }: KernelContext, id: NodeId): AttentionOperand {
  const { shape } = program.nodes[id]!;
  const read =
    (width: 1 | 4): AttentionOperand['element'] =>
    (writer, head, row, column) => {
      const entry = axesOf(flatPlace(head), shape.slice(0, -2), writer.define);
      return writer.value(id, axesPlace([...entry, row, column], width));
    };
  return { element: read(1), ...(target.quads && hasQuads(shape) && { quad: read(4) }) };
}

function scalarOf(name: string, id: NodeId): AttentionScalar {
  return { name, element: (writer, flat) => writer.value(id, flatPlace(flat)) };
}
