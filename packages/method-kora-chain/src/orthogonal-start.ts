import type { HostTensor, Weights } from '@kora-bench/core/graph';
import { hostTensor } from '@kora-bench/core/graph';
import type { InitializeContext } from '@kora-bench/core/peft';
import { randomStream } from '@kora-bench/core/random';
import type { KoraChainOptions } from './options.js';
import { adaptedLayers, linkNames } from './parameters.js';

/**
 * Φ and Ψ as twice a random orthogonal matrix: gelu has the slope ½ at 0, so that a link keeps the length of a
 * gradient while the chain carries nothing (dynamical isometry: Saxe et al. 2014, arXiv:1312.6120).
 */
export function orthogonalStart({ model, options, seed }: InitializeContext<KoraChainOptions>): Weights {
  const start = new Map<string, HostTensor>();
  if (options.start !== 'orthogonal') return start;
  const { dComp } = options;
  for (const name of linkNames(adaptedLayers(model).length)) {
    const matrix = orthogonalMatrix(dComp, seed, `orthogonal/${name}`);
    const doubled = Float32Array.from(matrix.flat(), (value) => 2 * value);
    start.set(`${name}.weight`, hostTensor([dComp, dComp], doubled));
  }
  return start;
}

/** The rows of a random orthogonal matrix: normal numbers by Gram and Schmidt, twice, so that rounding is mended. */
function orthogonalMatrix(size: number, seed: number, name: string): number[][] {
  const random = randomStream(seed, name);
  const rows: number[][] = [];
  while (rows.length < size) {
    let row = Array.from({ length: size }, () => random.normal());
    for (const other of [...rows, ...rows]) {
      const along = other.reduce((sum, value, i) => sum + value * row[i]!, 0);
      row = row.map((value, i) => value - along * other[i]!);
    }
    const length = Math.hypot(...row);
    rows.push(row.map((value) => value / length));
  }
  return rows;
}
