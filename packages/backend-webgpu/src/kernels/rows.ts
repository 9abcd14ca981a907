import { InternalError } from '@kora-bench/core/errors';
import type { GraphNode, NodeId, Program } from '@kora-bench/core/graph';
import { GraphBuilder, sameShape, sizeOf } from '@kora-bench/core/graph';
import { definitionOf } from '@kora-bench/core/ops';
import { lowerComposites, makeProgram } from '@kora-bench/core/passes';
import type { ElementIndex, Width } from '../wgsl/element-index.js';
import { axesIndex, flatIndex, flatOf } from '../wgsl/element-index.js';
import { ValueWriter } from '../wgsl/value-writer.js';
import type { KernelBody, KernelContext } from './kernel-context.js';
import { accumulate, resultPerLanes, shareResults } from './reductions.js';
import { rowProduct } from './row-products.js';

/** Lanes that share a row. */
const workgroupSize = 64;

/**
 * A composite that works along the last axis (softmax, layer norm, cross-entropy and their adjoints): one
 * kernel that goes over each row once per sum or maximum of its lowering, and once for the result. From
 * the second time on, the row comes from the cache.
 * @param products matrix products of the rows that it computes too
 */
export function rowBody(
  context: KernelContext,
  node: GraphNode,
  products: readonly GraphNode[] = [],
): KernelBody {
  const { program, target } = context;
  const outer = program.nodes[node.inputs[0]!]!;
  const length = outer.shape.at(-1)!;
  const rows = sizeOf(outer.shape) / length;
  const lanes = shareResults(target) ? workgroupSize : 1;
  const width: Width = target.quads && length % 4 === 0 ? 4 : 1;
  const { lowered, root, inputOf } = lowerAlone(program, node, rows, length);
  const scalars = new Map<NodeId, string>();
  const ofRows = products.map((product) => rowProduct(context, product, { rows: node, lanes, width }));

  const block = () => {
    const operands = context.writer();
    const given = (id: NodeId, index: ElementIndex) => {
      const operand = inputOf.get(id);
      if (operand === undefined) return scalars.get(id);
      const flat = flatOf(index, lowered.nodes[id]!.shape, operands.define);
      return operands.value(operand, flatIndex(flat, index.width));
    };
    const writer = new ValueWriter(
      {
        program: lowered,
        stored: new Set(),
        names: context.names,
        storageOf: (id) => lowered.nodes[id]!.dtype,
        quads: target.quads,
        given,
      },
      operands,
    );
    return {
      writer,
      /** The elements of a value from column `k` on. */
      inRow: (id: NodeId) => writer.value(id, axesIndex(['o', 'k'], width)),
      ofRow: (id: NodeId) => writer.value(id, flatIndex('o')),
    };
  };

  const statements = [computedFirst()];
  for (const { id, op, inputs, shape } of lowered.nodes) {
    const perRow = sameShape(shape, [rows]) || sameShape(shape, [rows, 1]);
    if (inputs.length === 0 || (op.kind !== 'reduce' && !perRow)) continue;
    const { writer, inRow, ofRow } = block();
    if (op.kind === 'reduce') {
      const element = inRow(inputs[0]!);
      const name = context.names.fresh();
      statements.push(accumulate(name, { fn: op.fn, count: length, lanes, width }, writer.lines, element));
      scalars.set(id, name);
    } else {
      const value = ofRow(id);
      statements.push(...writer.lines);
      scalars.set(id, value);
    }
  }
  const { index, declarations, workgroups } = resultPerLanes(rows, lanes);
  return {
    declarations,
    staged: Math.max(0, ...ofRows.map(({ staged }) => staged)),
    body: [index, ...statements, results()].join('\n'),
    workgroupSize,
    workgroups,
  };

  /** Rows that the kernel computes and stores before it works on them. */
  function computedFirst(): string {
    const store = context.storeFirst('at', width);
    return store === '' ? '' : overRow(`let at = o * ${length}u + k;\n${store}`);
  }

  function overRow(body: string): string {
    const first = lanes === 1 ? '0u' : `lane * ${width}u`;
    return `for (var k = ${first}; k < ${length}u; k += ${lanes * width}u) {\n${body}\n}`;
  }

  function results(): string {
    const perRow = scalars.get(root);
    if (perRow !== undefined) {
      const store = context.store(node.id, 'o', perRow, 1);
      return lanes === 1 ? store : `if (lane == 0u) {\n${store}\n}`;
    }
    const { writer, inRow } = block();
    const value = inRow(root);
    const all = `${writer.lines.join('\n')}
let at = o * ${length}u + k;
${context.store(node.id, 'at', value, width)}
${ofRows.map(({ each }) => each(value)).join('\n')}`;
    return `${ofRows.map(({ start }) => start).join('\n')}
${overRow(all)}
${ofRows.map(({ end }) => end).join(lanes === 1 ? '\n' : '\nworkgroupBarrier();\n')}`;
  }
}

/**
 * The lowering of one node, on operands `[rows, length]`, `[rows]` or `[length]`, as a program of its own,
 * and which operand each of its feeds stands for.
 */
function lowerAlone(
  { nodes }: Program,
  { op, inputs, id }: GraphNode,
  rows: number,
  length: number,
): { readonly lowered: Program; readonly root: NodeId; readonly inputOf: ReadonlyMap<NodeId, NodeId> } {
  const { lower } = definitionOf(op);
  if (lower === undefined) throw new InternalError(`${op.kind} (node ${id}) has no lowering.`);
  const builder = new GraphBuilder();
  const feeds = inputs.map((input) => {
    const { shape, dtype } = nodes[input]!;
    const flat = sizeOf(shape) === rows * length ? [rows, length] : [sizeOf(shape)];
    return builder.feed(String(input), flat, dtype);
  });
  const lowered = lowerComposites(makeProgram({ result: lower(op, feeds) }), new Set());
  const inputOf = new Map(
    lowered.nodes.flatMap(({ id: feed, op: source }) =>
      source.kind === 'feed' ? [[feed, Number(source.name)] as const] : [],
    ),
  );
  return { lowered, root: lowered.outputs.get('result')!, inputOf };
}
