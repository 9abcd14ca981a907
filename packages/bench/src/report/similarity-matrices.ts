import { sampleMean, sampleStandardDeviation } from '@kora-bench/core/metrics';
import type { CkaResult } from '../analyses/cka-schema.js';

/** Similarities between layers; null where they are not defined. */
export type SimilarityMatrix = CkaResult['debiased'];

/** A matrix over the seeds of a method. */
export interface OverSeeds {
  readonly mean: SimilarityMatrix;
  /** Undefined for one seed. */
  readonly deviation: SimilarityMatrix | undefined;
}

/** @param matrices of one size: seeds of one row have one model, so as many layers */
export function overSeeds(matrices: readonly SimilarityMatrix[]): OverSeeds {
  const over = (each: (values: readonly number[]) => number | null): SimilarityMatrix =>
    matrices[0]!.map((line, i) =>
      line.map((_, j) => {
        const values = matrices.map((matrix) => matrix[i]![j]!);
        return values.some((value) => value === null) ? null : each(values);
      }),
    );
  return {
    mean: over(sampleMean),
    deviation: matrices.length > 1 ? over(sampleStandardDeviation) : undefined,
  };
}

/** Null where either is. */
export function difference(of: SimilarityMatrix, from: SimilarityMatrix): SimilarityMatrix {
  return of.map((row, i) =>
    row.map((value, j) => {
      const before = from[i]![j]!;
      return value === null || before === null ? null : value - before;
    }),
  );
}

/** The largest absolute value of some matrices, at least 0.01. */
export function largestOf(matrices: readonly SimilarityMatrix[]): number {
  return matrices.flat(2).reduce((most: number, value) => Math.max(most, Math.abs(value ?? 0)), 0.01);
}
