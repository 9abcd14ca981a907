import type { Backend } from '@kora-bench/core/backend';
import type { HostTensor, HostTensors, Tensor } from '@kora-bench/core/graph';
import { abs, sum } from '@kora-bench/core/ops';
import { makeProgram } from '@kora-bench/core/passes';
import type { ConfiguredMethod } from '@kora-bench/core/peft';
import type { ModelSpec } from '@kora-bench/core/training';
import { imagesFeed, traceModel } from '@kora-bench/core/training';
import { withSession } from './session.js';
import type { WeightStore } from './weights.js';

/** A forward pass to look into. */
export interface BrokenPass {
  readonly spec: ModelSpec;
  /** `[P]`. */
  readonly parameters: HostTensor;
  /** Of a step; without images where kept features stand for them. */
  readonly feeds: HostTensors;
}

/**
 * The first site of a forward pass whose value is not finite.
 * @returns e.g. `the value at blocks.3.attn.v`; `undefined` where all values are finite, or there are no images
 */
export async function firstBrokenValue(
  backend: Backend,
  weights: WeightStore,
  { spec, parameters, feeds }: BrokenPass,
): Promise<string | undefined> {
  const images = feeds[imagesFeed];
  if (images === undefined) return undefined;
  const magnitudes = new Map<string, Tensor>();
  traceModel({ ...spec, method: watched(spec.method, magnitudes) }, { training: false });
  const program = makeProgram(Object.fromEntries(magnitudes));
  const found = await withSession({ backend, program, weights: weights.values, parameters }, (session) =>
    session.run({ [imagesFeed]: images }, [...magnitudes.keys()]),
  );
  for (const site of magnitudes.keys())
    if (!Number.isFinite(found[site]!.data[0]!)) return `the value at ${site}`;
  return undefined;
}

/** The method with the magnitude of every site's value, as it leaves it, summed in `magnitudes`. */
function watched(
  { definition, options }: ConfiguredMethod,
  magnitudes: Map<string, Tensor>,
): ConfiguredMethod {
  return {
    options,
    definition: {
      ...definition,
      attach(binding) {
        const hooks = definition.attach?.(binding) ?? {};
        return {
          ...hooks,
          value(site) {
            const value = hooks.value?.(site) ?? site.value;
            magnitudes.set(site.name, sum(abs(value)));
            return value;
          },
        };
      },
    },
  };
}
