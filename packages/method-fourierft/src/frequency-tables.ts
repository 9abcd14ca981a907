import type { HostTensor } from '@kora-bench/core/graph';
import { hostTensor } from '@kora-bench/core/graph';
import type { LinearSite } from '@kora-bench/core/peft';
import { mersenne } from 'pure-rand/generator/mersenne';
import type { FourierftOptions } from './options.js';

/** Entries of a spectrum `[out, in]`. */
export type Frequencies = readonly (readonly [row: number, column: number])[];

type MatrixShape = readonly [out: number, into: number];

/**
 * n different entries of a spectrum at random: those that peft draws, the first n of `torch.randperm(out·in)` with a
 * generator of its own, which is a Mersenne Twister's remainders in Fisher and Yates' shuffle.
 */
export function drawFrequencies(n: number, [out, into]: MatrixShape, locationSeed: number): Frequencies {
  const random = mersenne(locationSeed);
  const entries = Int32Array.from({ length: out * into }, (_, i) => i);
  // The last entry has nothing to change places with.
  for (let i = 0; i < Math.min(n, entries.length - 1); i++) {
    const other = i + ((random.next() >>> 0) % (entries.length - i));
    [entries[i], entries[other]] = [entries[other]!, entries[i]!];
  }
  return Array.from(entries.subarray(0, n), (entry) => [Math.floor(entry / into), entry % into]);
}

/** The tables of one size of layers; m is its shorter side, l the longer one, r = ⌊m/2⌋ + 1. */
export interface FrequencyTables {
  /** Which row of the folded spectrum an entry is in, one-hot: `[n, r]`. */
  readonly rows: HostTensor;
  /** Each entry's cosine and, after it, its sine along the longer side: `[n, 2l]`. */
  readonly waves: HostTensor;
  /** The cosine and the negative sine of each row along the shorter side, in turn: `[m, 2r]`. */
  readonly inverse: HostTensor;
}

export const tableKinds = ['rows', 'waves', 'inverse'] as const satisfies readonly (keyof FrequencyTables)[];

/**
 * Re(ifft2(F)) for an F that has c at the given frequencies as two products, but for its factor 1/(out·in):
 * `inverse · (rowsᵀ · diag(c) · waves)`, the parts in brackets as `[2r, l]`, and its transpose where out > in. Since
 * cos(α + β) = cos α·cos β − sin α·sin β, entries of one row share the wave along the shorter side; and since a cosine
 * is even, those of the upper half of the rows are those of the lower half.
 */
export function frequencyTables(frequencies: Frequencies, [out, into]: MatrixShape): FrequencyTables {
  const [short, long] = [Math.min(out, into), Math.max(out, into)];
  const n = frequencies.length;
  const shapes = tableShapes(n, [out, into]);
  const r = shapes.rows[1];
  const rows = new Float32Array(n * r);
  const waves = new Float32Array(n * 2 * long);
  frequencies.forEach(([row, column], k) => {
    const [u, v] = out <= into ? [row, column] : [column, row];
    const isUpper = u >= r;
    rows[k * r + (isUpper ? short - u : u)] = 1;
    for (let q = 0; q < long; q++) {
      const angle = angleOf(isUpper ? long - v : v, q, long);
      waves[k * 2 * long + q] = Math.cos(angle);
      waves[(k * 2 + 1) * long + q] = Math.sin(angle);
    }
  });
  const inverse = new Float32Array(short * 2 * r);
  for (let p = 0; p < short; p++) {
    for (let u = 0; u < r; u++) {
      inverse[(p * r + u) * 2] = Math.cos(angleOf(u, p, short));
      inverse[(p * r + u) * 2 + 1] = -Math.sin(angleOf(u, p, short));
    }
  }
  return {
    rows: hostTensor(shapes.rows, rows),
    waves: hostTensor(shapes.waves, waves),
    inverse: hostTensor(shapes.inverse, inverse),
  };
}

/** The product is taken modulo the period first: cosines of large angles lose digits. */
function angleOf(frequency: number, position: number, period: number): number {
  return (2 * Math.PI * ((frequency * position) % period)) / period;
}

/** What the tables of one size of layers are called. */
export function tableNames([out, into]: MatrixShape): Readonly<Record<keyof FrequencyTables, string>> {
  const name = (table: string) => `fourierft.${out}x${into}.${table}`;
  return { rows: name('rows'), waves: name('waves'), inverse: name('inverse') };
}

/** The shapes of the tables of one size of layers. */
export function tableShapes(
  n: number,
  [out, into]: MatrixShape,
): Readonly<Record<keyof FrequencyTables, readonly [number, number]>> {
  const [short, long] = [Math.min(out, into), Math.max(out, into)];
  const r = Math.floor(short / 2) + 1;
  return { rows: [n, r], waves: [n, 2 * long], inverse: [short, 2 * r] };
}

/** The sizes that layers have, each once: layers of one size share their frequencies, as in peft. */
export function matrixShapes(layers: readonly LinearSite[]): MatrixShape[] {
  const shapes = layers.map(({ outFeatures, inFeatures }) => [outFeatures, inFeatures] as const);
  return [...new Map(shapes.map((shape) => [shape.join('×'), shape])).values()];
}

/** The tables of all sizes of layers, by their names. */
export function tablesOf(
  layers: readonly LinearSite[],
  { frequencies, locationSeed }: Pick<FourierftOptions, 'frequencies' | 'locationSeed'>,
): Map<string, HostTensor> {
  return new Map(
    matrixShapes(layers).flatMap((shape): [string, HostTensor][] => {
      const names = tableNames(shape);
      const tables = frequencyTables(drawFrequencies(frequencies, shape, locationSeed), shape);
      return tableKinds.map((kind) => [names[kind], tables[kind]]);
    }),
  );
}
