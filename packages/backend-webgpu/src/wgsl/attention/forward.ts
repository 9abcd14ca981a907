import type { NodeId } from '@kora-bench/core';
import { literal } from '../scalar.js';
import type { KernelBody, KernelContext } from '../write-kernel.js';
import type { AttentionProblem } from './attention-problem.js';
import { RowKernel } from './row-kernel.js';
import type { RowSource } from './row-source.js';

/**
 * `softmax(scale·q·kᵀ)·v`, `[heads, N, e]`, without the scores in memory: each query's running maximum,
 * sum of powers and weighted sum of v are corrected whenever the maximum grows (Milakov and Gimelshein
 * 2018; Dao et al. 2022). Where a node `statistics`, `[heads, N]`, is given, the kernel computes it too: the
 * logarithm of each query's sum of exponentials.
 * NaN and infinite scores give what softmax gives: a row with NaN or +∞, or of −∞ alone, is NaN.
 */
export function attentionBody(
  context: KernelContext,
  { node, heads, N, M, d, e, scale, q, k, v }: AttentionProblem,
  source: RowSource,
  statistics?: NodeId,
): KernelBody {
  const kernel = new RowKernel(
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
  const rows = Array.from({ length: kernel.rowsPerLane }, (_, r) => r);
  const lines = (write: (r: number) => string) => rows.map(write).join('\n');
  // The lowest finite number, not −∞, so that a row that starts with −∞ gets exp(−∞) and not exp(NaN).
  const lowest = literal(-3.4028234663852886e38, 'f32');
  return kernel.body(
    `var largest: array<f32, ${rows.length}>;
var total: array<f32, ${rows.length}>;
${kernel.repeat('r', rows.length, `largest[r] = ${lowest};`)}`,
    `${kernel.dot('score', 0)}
${lines(
  (r) => `let scaled${r} = ${literal(scale, 'f32')} * score${r};
let grown${r} = max(largest[${r}], scaled${r});
let factor${r} = exp(largest[${r}] - grown${r});
largest[${r}] = grown${r};
let power${r} = exp(scaled${r} - largest[${r}]);
total[${r}] = fma(total[${r}], factor${r}, power${r});`,
)}
${kernel.accumulate('power', 'factor')}`,
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
