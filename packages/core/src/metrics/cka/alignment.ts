/** Similarities in [0, 1] (biased) and [−1, 1] (debiased); null where CKA is not defined. */
export type CkaMatrix = readonly (readonly (number | null)[])[];

/** HSIC between layers, all from the same examples and kernels, in any unit. */
export interface LayerHsic {
  /** Symmetric; called with a ≤ b. */
  hsic(a: number, b: number): number;
  /** ‖K‖² of a layer's kernel, in the unit of `hsic`. */
  squaredNorm(a: number): number;
}

/** Below this share of its kernel, a layer's own HSIC is rounding: it does not vary. */
const noVariance = 1e-13;

/** HSIC(a, b) / √(HSIC(a, a) · HSIC(b, b)). */
export function alignment(rows: readonly number[], columns: readonly number[], sums: LayerHsic): CkaMatrix {
  const scales = new Map<number, number | null>();
  for (const l of new Set([...rows, ...columns])) {
    const own = sums.hsic(l, l);
    scales.set(l, own > noVariance * sums.squaredNorm(l) ? Math.sqrt(own) : null);
  }
  const one = (a: number, b: number): number | null => {
    const scaleA = scales.get(a)!;
    const scaleB = scales.get(b)!;
    if (scaleA === null || scaleB === null) return null;
    if (a === b) return 1;
    // Cauchy and Schwarz bound both estimators; rounding may step over.
    return Math.max(-1, Math.min(1, sums.hsic(a, b) / scaleA / scaleB));
  };
  const values = new Map<string, number | null>();
  return rows.map((a) =>
    columns.map((b) => {
      const key = a <= b ? `${a} ${b}` : `${b} ${a}`;
      if (!values.has(key)) values.set(key, one(Math.min(a, b), Math.max(a, b)));
      return values.get(key)!;
    }),
  );
}
