import { InputError } from '@kora-bench/core/errors';
import type { Tensor } from '@kora-bench/core/graph';
import type { Architecture, SiteSpec } from '@kora-bench/core/nn';
import { requireSites } from '@kora-bench/core/nn';
import { concat, narrow, pad } from '@kora-bench/core/ops';
import type { ParameterSpec } from '@kora-bench/core/peft';
import type { RepAdapterOptions } from './options.js';

/**
 * The layers with an adapter before them.
 * @throws InputError for a layer that the model does not have, or whose input the options do not fit
 */
export function adaptedLayers(
  model: Architecture,
  { bottleneck, groups, targets }: RepAdapterOptions,
): SiteSpec[] {
  const layers = requireSites(model, targets);
  for (const { name, inFeatures } of layers) {
    const unfit =
      bottleneck > inFeatures
        ? {
            option: 'bottleneck',
            expected: `at most ${inFeatures}, what the layer reads`,
            received: bottleneck,
          }
        : inFeatures % groups !== 0
          ? {
              option: 'groups',
              expected: `a divisor of ${inFeatures}, what the layer reads`,
              received: groups,
            }
          : undefined;
    if (unfit === undefined) continue;
    throw new InputError(`The adapters do not fit ${name} of ${model.name}.`, {
      where: `method repadapter: ${unfit.option}`,
      expected: unfit.expected,
      received: String(unfit.received),
      fix: `Choose another ${unfit.option}.`,
    });
  }
  return layers;
}

/** A `[h, D]` as Xavier, its bias, B and B's bias zero; B `[D, h/groups]` is what its groups have. */
export function adapterParameters(model: Architecture, options: RepAdapterOptions): ParameterSpec[] {
  const { bottleneck, groups } = options;
  const zeros = { kind: 'zeros' } as const;
  return adaptedLayers(model, options).flatMap(({ name, inFeatures }): ParameterSpec[] => [
    { name: `${name}.adapter.down.weight`, shape: [bottleneck, inFeatures], init: { kind: 'xavierUniform' } },
    { name: `${name}.adapter.down.bias`, shape: [bottleneck], init: zeros },
    { name: `${name}.adapter.up.weight`, shape: [inFeatures, bottleneck / groups], init: zeros },
    { name: `${name}.adapter.up.bias`, shape: [inFeatures], init: zeros },
  ]);
}

/**
 * B as a whole matrix: the rows of each group have their own columns.
 * @param up `[D, h/groups]`
 * @returns `[D, h]`
 */
export function blockDiagonalUp(up: Tensor, { groups }: RepAdapterOptions): Tensor {
  const [features, width] = up.shape as [number, number];
  const rows = features / groups;
  const parts = Array.from({ length: groups }, (_, group) =>
    pad(
      narrow(up, 0, group * rows, (group + 1) * rows),
      [0, group * width],
      [0, (groups - 1 - group) * width],
    ),
  );
  return concat(parts, 0);
}
