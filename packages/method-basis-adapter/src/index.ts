import type { Architecture } from '@kora-bench/core/nn';
import { add } from '@kora-bench/core/ops';
import type { LinearSite, ParameterSpec } from '@kora-bench/core/peft';
import {
  basisDelta,
  basisFaults,
  basisFields,
  basisParameters,
  basisWeights,
  completeBasis,
  defineMethod,
  gridsFromData,
  linearInit,
  linearTargets,
  requireRank,
  targetLayers,
} from '@kora-bench/core/peft';
import { z } from 'zod';

const fields = z.strictObject({
  /** r, the number of signals of every adapter: 1 … 1024, and at most the smaller side of every layer. */
  rank: z.int().min(1).max(1024).default(4),
  /** α of the factor α/r on the deltas: above 0. */
  alpha: z.number().positive().default(4),
  /** Layers of every block that get an adapter; `all-linear` is qkv, proj, fc1 and fc2. */
  targets: linearTargets.default('all-linear'),
  ...basisFields('bspline'),
});

/** Complete options of `basis-adapter`: what a basis does not have is absent. */
export type BasisAdapterOptions = z.output<typeof fields>;

/** Options of `basis-adapter`; unknown ones are rejected, and those that exclude each other. */
const optionsSchema: z.ZodType<BasisAdapterOptions> = fields
  .superRefine((given, context) => {
    for (const { field, message } of basisFaults(given))
      context.addIssue({ code: 'custom', path: [field], message });
  })
  .transform(completeBasis);

const [matrixA, matrixB] = ['lora_A.weight', 'lora_B.weight'];

/**
 * A low-rank adapter beside every chosen linear layer whose r signals z = A·x each pass through univariate functions
 * of their own, as in Kolmogorov–Arnold networks: `delta_j = (α/r) · Σ_k (B_jk·silu(z_k) + Σ_m C_jkm·ψ_m(z_k))`.
 * B and C start at zero, so training starts from the backbone.
 */
export default defineMethod<BasisAdapterOptions>({
  name: 'basis-adapter',
  description: 'Low-rank adapters whose signals pass through learned univariate functions, as in KANs.',
  source:
    'This suite: Liu et al. 2024, KAN: Kolmogorov–Arnold Networks, arXiv:2404.19756, in the place of LoRA’s update.',
  options: optionsSchema,
  presets: {
    chebyshev: { basis: 'chebyshev' },
    fourier: { basis: 'fourier' },
    rbf: { basis: 'rbf' },
    rational: { basis: 'rational' },
  },
  parameters: (model, options) =>
    adaptedLayers(model, options).flatMap((layer) => adapterParameters(layer, options)),
  initialize: ({ model, options, ...shown }) =>
    options.grid === 'data'
      ? gridsFromData(
          shown,
          adaptedLayers(model, options).map(({ name, block }) => ({
            ...{ prefix: name, site: name, block: block!, a: `${name}.${matrixA}` },
          })),
        )
      : new Map(),
  attach({ model, options, parameter }) {
    const adapted = new Set(adaptedLayers(model, options).map(({ name }) => name));
    return {
      value({ name, input, value }) {
        if (!adapted.has(name)) return value;
        const weights = {
          a: parameter(`${name}.${matrixA}`),
          b: parameter(`${name}.${matrixB}`),
          ...basisWeights(name, options, parameter),
        };
        return add(value, basisDelta(input, weights, options, options.alpha / options.rank));
      },
    };
  },
});

function adaptedLayers(model: Architecture, { targets, rank }: BasisAdapterOptions): LinearSite[] {
  const layers = targetLayers(model, targets);
  requireRank(rank, layers);
  return layers;
}

/** A `[r, in]`, B `[out, r]`, and what the basis adds: C `[out, r·M]`, denominators, grids. */
function adapterParameters(
  { name, inFeatures, outFeatures }: LinearSite,
  options: BasisAdapterOptions,
): ParameterSpec[] {
  const { rank } = options;
  return [
    { name: `${name}.${matrixA}`, shape: [rank, inFeatures], init: linearInit },
    { name: `${name}.${matrixB}`, shape: [outFeatures, rank], init: { kind: 'zeros' } },
    ...basisParameters({ prefix: name, rank, outFeatures, init: { kind: 'zeros' } }, options),
  ];
}
