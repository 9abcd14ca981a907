import { normalQuantile } from '@kora-bench/core/random';
import { regularizedBeta } from './distributions.js';

/** How often two models differ on the same examples. */
export interface Discordance {
  /** Examples that the base alone has right. */
  readonly baseOnly: number;
  /** Examples that the head alone has right. */
  readonly headOnly: number;
  readonly examples: number;
}

/**
 * McNemar's exact test, two-sided: given that one of two models is right, either is as likely as the other. Source:
 * McNemar, "Note on the sampling error of the difference between correlated proportions or percentages" (1947); the
 * p-value is the binomial test's.
 * @returns p in (0, 1]
 */
export function mcnemarExact({ baseOnly, headOnly }: Discordance): number {
  const discordant = baseOnly + headOnly;
  if (discordant === 0) return 1;
  const fewer = Math.min(baseOnly, headOnly);
  // P(X ≤ k) of a binomial with p = ½ is I_½(n − k, k + 1).
  return Math.min(1, 2 * regularizedBeta(0.5, discordant - fewer, fewer + 1));
}

/**
 * An interval for the difference of two paired shares, head − base: Wald's with half an example added to either cell.
 * Source: Bonett and Price, "Adjusted Wald confidence interval for a difference of binomial proportions based on
 * paired data" (2012).
 */
export function pairedShareInterval(
  { baseOnly, headOnly, examples }: Discordance,
  level = 0.95,
): readonly [low: number, high: number] {
  const n = examples + 2;
  const [lost, won] = [(baseOnly + 1) / n, (headOnly + 1) / n];
  const centre = won - lost;
  const half = normalQuantile((1 + level) / 2) * Math.sqrt((won + lost - centre ** 2) / n);
  return [Math.max(-1, centre - half), Math.min(1, centre + half)];
}
