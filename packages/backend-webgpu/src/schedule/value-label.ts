import type { GraphNode } from '@kora-bench/core';
import { formatShape } from '@kora-bench/core';
import type { PlannedCut } from './planned-run.js';

/** What a value is, for messages. */
export function valueLabel(
  { op, scope, shape }: Omit<GraphNode, 'inputs'>,
  cut: PlannedCut | undefined,
): string {
  if (op.kind === 'frozen') return `frozen weight "${op.name}"`;
  if (op.kind === 'state') return `state "${op.name}"`;
  const where = scope === '' ? '' : ` in ${scope}`;
  const extents = `, ${formatShape(shape)}`;
  if (op.kind !== 'feed') return `value of ${op.kind}${where}${extents}`;
  const { name } = op;
  if (cut?.fed.has(name)) return `feed "${cut.fed.get(name)}"${extents}`;
  if (cut?.sums.some(({ feed }) => feed === name)) return `sum over the parts of the batch${where}${extents}`;
  const passed = [...(cut?.blocks ?? []), ...(cut?.joined ?? []).map(({ feed }) => feed)];
  return passed.includes(name)
    ? `value that parts of the batch share${where}${extents}`
    : `feed "${name}"${extents}`;
}
