import { InternalError } from '../errors/kora-error.js';
import type { HostTensor, Weights } from '../tensor/host-tensor.js';
import { hostTensor } from '../tensor/host-tensor.js';
import type { Tensor } from '../tensor/tensor.js';
import type { BasisOptions, BasisWeights } from './basis.js';
import { basisSize } from './basis.js';
import type { InitializeContext } from './method.js';
import type { Initializer, ParameterSpec } from './parameter.js';

/** An adapter with basis functions, beside whose A and B the basis branch has parameters of its own. */
export interface BasisAdapter {
  /** What the names of its basis branch begin with, e.g. `blocks.3.attn.q`. */
  readonly prefix: string;
  readonly rank: number;
  readonly outFeatures: number;
  /** How C starts. */
  readonly init: Initializer;
}

/** The parameters of the basis branch: C, denominators, and where the data decides the grid, constants; none of `linear`. */
export function basisParameters(adapter: BasisAdapter, options: BasisOptions): ParameterSpec[] {
  const { prefix, rank, outFeatures, init } = adapter;
  const { basis, order, grid } = options;
  if (basis === 'linear') return [];
  const constant = (name: string, value: number): ParameterSpec => ({
    name: `${prefix}.basis.${name}`,
    shape: [rank],
    init: { kind: 'constant', value },
    constant: true,
  });
  return [
    { name: `${prefix}.basis.weight`, shape: [outFeatures, rank * basisSize(options)], init },
    ...(basis === 'rational'
      ? // At zero the magnitude in the denominator has no derivative, and it would never leave it.
        [
          {
            name: `${prefix}.basis.denominator`,
            shape: [rank, order! - 1],
            init: { kind: 'normal', std: 0.1 } as const,
          },
        ]
      : []),
    ...(grid === 'data' ? [constant('grid_centre', 0), constant('grid_half_width', 2)] : []),
  ];
}

/** What the basis branch of an adapter is traced from; nothing of `linear`. */
export function basisWeights(
  prefix: string,
  { basis, grid }: BasisOptions,
  parameter: (name: string) => Tensor,
): Partial<Omit<BasisWeights, 'a' | 'b'>> {
  if (basis === 'linear') return {};
  const own = (name: string) => parameter(`${prefix}.basis.${name}`);
  return {
    c: own('weight'),
    ...(basis === 'rational' && { denominator: own('denominator') }),
    ...(grid === 'data' && { grid: { centre: own('grid_centre'), halfWidth: own('grid_half_width') } }),
  };
}

/** An adapter whose grid the data decides. */
export interface GriddedAdapter {
  readonly prefix: string;
  /** The site whose input it reads. */
  readonly site: string;
  readonly block: number;
  /** The name of A `[r, in]`. */
  readonly a: string;
}

/**
 * Grids over what the signals z = A·x are while the untouched backbone sees one batch of training images: from the
 * 1st to the 99th percentile of every signal. They stay as they are while A trains.
 */
export async function gridsFromData(
  { siteInputs, weights }: Pick<InitializeContext<unknown>, 'siteInputs' | 'weights'>,
  adapters: readonly GriddedAdapter[],
): Promise<Weights> {
  const grids = new Map<string, HostTensor>();
  // Block by block, since what the layers of a large model read does not fit into memory together.
  for (const block of new Set(adapters.map((one) => one.block))) {
    const own = adapters.filter((one) => one.block === block);
    const seen = await siteInputs([...new Set(own.map(({ site }) => site))], 1);
    for (const { prefix, site, a } of own) {
      const matrix = weights.get(a);
      if (matrix === undefined) throw new InternalError(`There is no ${a}.`);
      const ranges = signalRanges(seen.get(site)!, matrix);
      const values = (of: (range: readonly [number, number]) => number) =>
        hostTensor([ranges.length], Float32Array.from(ranges, of));
      grids.set(
        `${prefix}.basis.grid_centre`,
        values(([low, high]) => (low + high) / 2),
      );
      grids.set(
        `${prefix}.basis.grid_half_width`,
        values(([low, high]) => Math.max((high - low) / 2, 1e-3)),
      );
    }
  }
  return grids;
}

/** The 1st and 99th percentile of every row of A times x, over all x. */
function signalRanges(inputs: readonly HostTensor[], { shape, data: a }: HostTensor): [number, number][] {
  const [rank, width] = [shape[0]!, shape[1]!];
  return Array.from({ length: rank }, (_, k) => {
    const row = a.subarray(k * width, (k + 1) * width);
    const signals = inputs.flatMap(({ data: x }) =>
      Array.from({ length: x.length / width }, (_, n) => {
        let sum = 0;
        for (let i = 0; i < width; i++) sum += row[i]! * x[n * width + i]!;
        return sum;
      }),
    );
    signals.sort((one, other) => one - other);
    const at = (part: number) => signals[Math.round(part * (signals.length - 1))]!;
    return [at(0.01), at(0.99)];
  });
}
