import type { HostTensor } from '@kora-bench/core/graph';
import { hostTensor } from '@kora-bench/core/graph';
import { loraOptions } from '@kora-bench/method-lora';
import type { z } from 'zod';

export const optionsSchema = loraOptions.pick({
  rank: true,
  alpha: true,
  scaling: true,
  targets: true,
  blocks: true,
  rankPattern: true,
  alphaPattern: true,
  bias: true,
});

/** Options of `dora`, as of `lora`. */
export type DoraOptions = z.infer<typeof optionsSchema>;

/** The name of a layer's magnitudes `[out]`, as peft calls them in a model. */
export const magnitude = 'lora_magnitude_vector.weight';

/** The norm of each row of a weight `[out, in]`, or of some of its rows: what magnitudes start as, `[out]`. */
export function rowNorms(
  { data, shape }: HostTensor,
  rows?: readonly [start: number, end: number],
): HostTensor {
  const [outFeatures, inFeatures] = shape as [number, number];
  const [start, end] = rows ?? [0, outFeatures];
  const norms = Float32Array.from({ length: end - start }, (_, row) =>
    Math.hypot(...data.subarray((start + row) * inFeatures, (start + row + 1) * inFeatures)),
  );
  return hostTensor([end - start], norms);
}
