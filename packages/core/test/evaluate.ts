import type { HostTensor, Program } from '@kora-bench/core/graph';
import { sizeOf } from '@kora-bench/core/graph';
import { definitionOf } from '@kora-bench/core/ops';

/** Evaluates the output `y` by the ops' float64 definitions; feeds and states hold sines. */
export function evaluate({ nodes, outputs }: Program): number[] {
  const values: HostTensor[] = [];
  for (const { op, inputs, shape, dtype } of nodes) {
    if (op.kind === 'feed' || op.kind === 'state') {
      const phase = op.name.split('').reduce((total, letter) => total + letter.charCodeAt(0), 0);
      const data = Float64Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(phase + 1.7 * i));
      values.push({ dtype, shape, data });
    } else if (op.kind === 'constant') values.push({ dtype, shape, data: op.data });
    else
      values.push(
        definitionOf(op).evaluate(
          op,
          inputs.map((id) => values[id]!),
          { shape, dtype },
        ),
      );
  }
  return Array.from(values[outputs.get('y')!]!.data);
}
