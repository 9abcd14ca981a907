import type { GraphNode, NodeId } from '@kora-bench/core/graph';
import { sizeOf } from '@kora-bench/core/graph';
import type { AttentionOp } from '../plan/op-roles.js';
import { axesIndex, axesOf, flatIndex, hasQuads } from '../wgsl/element-index.js';
import { literal } from '../wgsl/numbers.js';
import type { FrameShape } from './attention-frame.js';
import { AttentionFrame } from './attention-frame.js';
import type {
  AttentionGradProblem,
  AttentionOperand,
  AttentionProblem,
  AttentionScalar,
  RowDot,
  Side,
} from './attention-operands.js';
import type { OtherRowsSource } from './attention-other-rows.js';
import type { KernelBody, KernelContext } from './kernel-context.js';
import type { KernelTarget } from './kernel-target.js';

/**
 * The kernel of an attention, of its statistics, of both, or of one of its adjoints.
 * @param op of the node
 * @param statistics those that the kernel of an attention computes too
 */
export function attentionKernel(
  context: KernelContext,
  node: GraphNode,
  op: AttentionOp,
  statistics: NodeId | undefined,
): KernelBody {
  const source = otherRowsSource(context.target);
  switch (op.kind) {
    case 'attention':
      return attentionBody(context, problemOf(context, node, op.scale), source, statistics);
    case 'attentionStatistics':
      // Alone, where nothing reads the result: no value is weighed, so any will do.
      return attentionBody(context, problemOf(context, node, op.scale), source, node.id);
    case 'attentionGrad': {
      const [dy, logarithms, o] = node.inputs.slice(3);
      const problem = {
        ...problemOf(context, node, op.scale),
        dy: operandOf(context, dy!),
        statistics: scalarOf('statistics', logarithms!),
        o: operandOf(context, o!),
      };
      return attentionGradBody(context, problem, op.wrt, source);
    }
    default:
      return op satisfies never;
  }
}

function otherRowsSource({ sharing, shuffles }: KernelTarget): OtherRowsSource {
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
      const entry = axesOf(flatIndex(head), shape.slice(0, -2), writer.define);
      return writer.value(id, axesIndex([...entry, row, column], width));
    };
  return { element: read(1), ...(target.quads && hasQuads(shape) && { quad: read(4) }) };
}

function scalarOf(name: string, id: NodeId): AttentionScalar {
  return { name, element: (writer, flat) => writer.value(id, flatIndex(flat)) };
}

/**
 * `softmax(scale·q·kᵀ)·v`, `[heads, N, e]`, without the scores in memory: each query's running maximum,
 * sum of powers and weighted sum of v are corrected whenever the maximum grows (Milakov and Gimelshein
 * 2018; Dao et al. 2022). Where a node `statistics`, `[heads, N]`, is given, the kernel computes it too: the
 * logarithm of each query's sum of exponentials.
 * NaN and infinite scores give what softmax gives: a row with NaN or +∞, or of −∞ alone, is NaN.
 */
function attentionBody(
  context: KernelContext,
  { node, heads, N, M, d, e, scale, q, k, v }: AttentionProblem,
  source: OtherRowsSource,
  statistics?: NodeId,
): KernelBody {
  const frame = new AttentionFrame(
    context,
    {
      node,
      heads,
      rows: N,
      own: [{ operand: q, columns: d }],
      ownScalars: [],
      otherRows: M,
      other: [
        { operand: k, columns: d },
        { operand: v, columns: e },
      ],
      otherScalars: [],
      summed: 1,
    },
    source,
  );
  const rows = Array.from({ length: frame.rowsPerLane }, (_, r) => r);
  const lines = (write: (r: number) => string) => rows.map(write).join('\n');
  // The lowest finite number, not −∞, so that a row that starts with −∞ gets exp(−∞) and not exp(NaN).
  const lowest = literal(-3.4028234663852886e38, 'f32');
  return frame.body(
    `var largest: array<f32, ${rows.length}>;
var total: array<f32, ${rows.length}>;
${frame.repeat('r', rows.length, `largest[r] = ${lowest};`)}`,
    `${frame.dot('score', 0)}
${lines(
  (r) => `let scaled${r} = ${literal(scale, 'f32')} * score${r};
let grown${r} = max(largest[${r}], scaled${r});
let factor${r} = exp(largest[${r}] - grown${r});
largest[${r}] = grown${r};
let power${r} = exp(scaled${r} - largest[${r}]);
total[${r}] = fma(total[${r}], factor${r}, power${r});`,
)}
${frame.accumulate('power', 'factor')}`,
    statistics === undefined ? '' : storeStatistics(context, statistics, N),
    'sum / total[r]',
  );
}

function storeStatistics(context: KernelContext, statistics: NodeId, N: number): string {
  return `if (part == 0u) {
let query = head * ${N}u + row;
let logarithm = largest[r] + log(total[r]);
${context.store(statistics, 'query', 'logarithm', 1)}
}`;
}

/**
 * The adjoint of q, k or v, in its shape, without the scores in memory (Dao et al. 2022): with
 * P = exp(scale·q·kᵀ − statistics), delta = Σ dy∘o per query and dS = P·(dy·vᵀ − delta), dq = scale·dS·k,
 * dk = scale·dSᵀ·q and dv = Pᵀ·dy.
 */
function attentionGradBody(
  context: KernelContext,
  problem: AttentionGradProblem,
  wrt: 'q' | 'k' | 'v',
  source: OtherRowsSource,
): KernelBody {
  const scale = literal(problem.scale, 'f32');
  const frame = new AttentionFrame(context, shapeOf(problem, wrt), source);
  const ofQuery = (name: 'statistics' | 'delta', r: number) =>
    wrt === 'q' ? `own_${name}[${r}]` : frame.other.scalar(name);
  const lines = (write: (r: number) => string) =>
    Array.from({ length: frame.rowsPerLane }, (_, r) => write(r)).join('\n');
  const probabilities = `${frame.dot('score', 0)}
${lines((r) => `let p${r} = exp(${scale} * score${r} - ${ofQuery('statistics', r)});`)}`;
  if (wrt === 'v') return frame.body('', `${probabilities}\n${frame.accumulate('p')}`, '', 'sum');
  return frame.body(
    '',
    `${probabilities}
${frame.dot('dp', 1)}
${lines((r) => `let ds${r} = p${r} * (dp${r} - ${ofQuery('delta', r)});`)}
${frame.accumulate('ds')}`,
    '',
    `${scale} * sum`,
  );
}

function shapeOf(
  { node, heads, N, M, d, e, q, k, v, dy, statistics, o }: AttentionGradProblem,
  wrt: 'q' | 'k' | 'v',
): FrameShape {
  const queries: readonly [Side, Side] = [
    { operand: q, columns: d },
    { operand: dy, columns: e },
  ];
  const keys: readonly [Side, Side] = [
    { operand: k, columns: d },
    { operand: v, columns: e },
  ];
  const delta: RowDot = { name: 'delta', side: { operand: o, columns: e } };
  if (wrt === 'q')
    return {
      node,
      heads,
      rows: N,
      own: queries,
      ownScalars: [statistics],
      ownDot: delta,
      otherRows: M,
      other: keys,
      otherScalars: [],
      summed: 0,
    };
  return {
    node,
    heads,
    rows: M,
    own: wrt === 'k' ? keys : [keys[0]],
    ownScalars: [],
    otherRows: N,
    other: queries,
    otherScalars: [statistics],
    ...(wrt === 'k' && { otherDot: delta }),
    summed: wrt === 'k' ? 0 : 1,
  };
}
