import type { EagerEngine } from '@kora-bench/core/backend';
import type { HostTensor } from '@kora-bench/core/graph';
import { definitionOf } from '@kora-bench/core/ops';

/** Each op by its own reference evaluation. Values are never written into, so handles may share their data. */
export const referenceEngine: EagerEngine<HostTensor> = {
  upload: toFloat64,
  download: toFloat64,
  kernel: (node) => (operands) => definitionOf(node.op).evaluate(node.op, operands, node),
  share: (value) => value,
  release: () => undefined,
};

/** A copy of `tensor` in the storage that ops are evaluated in: float64 for real numbers. */
function toFloat64({ dtype, shape, data }: HostTensor): HostTensor {
  switch (dtype) {
    case 'f32':
      return { dtype, shape, data: Float64Array.from(data) };
    case 'i32':
      return { dtype, shape, data: Int32Array.from(data) };
    case 'bool':
      return { dtype, shape, data: Uint8Array.from(data) };
  }
}
