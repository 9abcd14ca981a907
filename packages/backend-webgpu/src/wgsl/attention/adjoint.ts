import { literal } from '../scalar.js';
import type { KernelBody, KernelContext } from '../write-kernel.js';
import type { AttentionGradProblem } from './attention-problem.js';
import type { RowDot, Side } from './load-quad.js';
import type { RowShape } from './row-kernel.js';
import { RowKernel } from './row-kernel.js';
import type { RowSource } from './row-source.js';

/**
 * The adjoint of q, k or v, in its shape, without the scores in memory (Dao et al. 2022): with
 * P = exp(scale·q·kᵀ − statistics), delta = Σ dy∘o per query and dS = P·(dy·vᵀ − delta), dq = scale·dS·k,
 * dk = scale·dSᵀ·q and dv = Pᵀ·dy.
 */
export function attentionGradBody(
  context: KernelContext,
  problem: AttentionGradProblem,
  wrt: 'q' | 'k' | 'v',
  source: RowSource,
): KernelBody {
  const scale = literal(problem.scale, 'f32');
  const kernel = new RowKernel(context, shapeOf(problem, wrt), source);
  const ofQuery = (name: 'statistics' | 'delta', r: number) =>
    wrt === 'q' ? `own_${name}[${r}]` : kernel.other.scalar(name);
  const lines = (write: (r: number) => string) =>
    Array.from({ length: kernel.rowsPerLane }, (_, r) => write(r)).join('\n');
  const probabilities = `${kernel.dot('score', 0)}
${lines((r) => `let p${r} = exp(${scale} * score${r} - ${ofQuery('statistics', r)});`)}`;
  if (wrt === 'v') return kernel.body('', `${probabilities}\n${kernel.accumulate('p')}`, '', 'sum');
  return kernel.body(
    '',
    `${probabilities}
${kernel.dot('dp', 1)}
${lines((r) => `let ds${r} = p${r} * (dp${r} - ${ofQuery('delta', r)});`)}
${kernel.accumulate('ds')}`,
    '',
    `${scale} * sum`,
  );
}

function shapeOf(
  { node, heads, N, M, d, e, q, k, v, dy, statistics, o }: AttentionGradProblem,
  wrt: 'q' | 'k' | 'v',
): RowShape {
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
