import type { GraphNode, NodeId, Program } from '@kora-bench/core';
import { InternalError, sizeOf } from '@kora-bench/core';
import type { Width } from '../place.js';
import { axesOf, axesPlace, broadcastAxes, flatPlace, hasQuads } from '../place.js';
import type { ValueWriter } from '../value-writer.js';

/** One of the two matrices of a product: rows of the left one or columns of the right one, each K long. */
export interface Operand {
  /** Which neighbours lie side by side in memory: the K elements of one line, or one element of each line. */
  readonly along: 'k' | 'lines';
  /** Whether neighbours can be taken four at a time. */
  readonly quads: boolean;
  /**
   * The element of `line` at `k`, of the matrix that WGSL's `batch` has at hand; with width 4 that of four
   * neighbours, the first of which has a number divisible by four.
   */
  element(writer: ValueWriter, line: string, k: string, width: Width): string;
}

/** `left · right`, of which a kernel may add up several. */
export interface Term {
  /** How many products each element of the result adds up. */
  readonly K: number;
  readonly left: Operand;
  readonly right: Operand;
}

/** A batch of sums of matrix products as kernels see it. */
export interface Product {
  /** Rows and columns of each result. */
  readonly M: number;
  readonly N: number;
  /** How many results there are; WGSL names the one at hand `batch`. */
  readonly batch: number;
  readonly terms: readonly Term[];
}

/** @param terms the matrix products, all with results of one shape, whose sum is wanted */
export function productOf(program: Program, terms: readonly NodeId[]): Product {
  const first = program.nodes[terms[0]!]!;
  return {
    M: first.shape.at(-2)!,
    N: first.shape.at(-1)!,
    batch: sizeOf(first.shape.slice(0, -2)),
    terms: terms.map((id) => termOf(program, program.nodes[id]!)),
  };
}

function termOf({ nodes }: Program, { op, inputs, shape }: GraphNode): Term {
  if (op.kind !== 'matmul') throw new InternalError('Not a matrix product.');
  const [a, b] = [nodes[inputs[0]!]!, nodes[inputs[1]!]!];
  return {
    K: a.shape.at(op.transposeA ? -2 : -1)!,
    left: operandOf(a, shape, op.transposeA),
    right: operandOf(b, shape, !op.transposeB),
  };
}

/** @param crossed whether the lines are the columns of `node` */
function operandOf(node: GraphNode, result: readonly number[], crossed: boolean): Operand {
  return {
    along: crossed ? 'lines' : 'k',
    quads: hasQuads(node.shape),
    element: (writer, line, k, width) => {
      const matrix = crossed ? [k, line] : [line, k];
      return writer.value(node.id, axesPlace([...entryOf(writer, node, result), ...matrix], width));
    },
  };
}

/** The entry of `operand` that belongs to `batch`, by NumPy's broadcasting. */
function entryOf({ define }: ValueWriter, operand: GraphNode, result: readonly number[]): readonly string[] {
  const entry = axesOf(flatPlace('batch'), result.slice(0, -2), define);
  return broadcastAxes(operand.shape.slice(0, -2), result.slice(0, -2), entry);
}
