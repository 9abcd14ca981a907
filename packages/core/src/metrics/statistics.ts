import { InputError } from '../errors/kora-error.js';
import { normalQuantile } from '../random/normal-quantile.js';

/** A closed interval. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** @throws InputError when there is no value. */
export function sampleMean(values: readonly number[]): number {
  if (values.length === 0) {
    throw new InputError('The mean of no values is undefined.', {
      where: 'values',
      expected: 'at least one',
    });
  }
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The sample standard deviation (divisor n − 1), or null for fewer than two values. */
export function sampleStandardDeviation(values: readonly number[]): number | null {
  if (values.length < 2) return null;
  const centre = sampleMean(values);
  const squares = values.reduce((sum, value) => sum + (value - centre) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1));
}

/** How an interval for a mean is made. */
export interface MeanIntervalOptions {
  /** The confidence, in (0, 1); 0.95 by default. */
  readonly level?: number;
  /** What values are possible, e.g. `[0, 1]`; a side without a limit is infinite, as both are by default. */
  readonly range?: readonly [least: number, most: number];
}

/**
 * An interval for the mean of independent values, such as one accuracy per seed. Null for fewer than two.
 *
 * Without a range it is Student's t interval for roughly normal values: m ± t · s/√n with n − 1 degrees of
 * freedom. Near a limit of what is possible that interval would go beyond it. So with a range it is made on
 * a scale g without limits and brought back: g(m) ± t · g′(m) · s/√n, where g is the logit for shares (and
 * for any two limits), and the logarithm of the distance from a single limit. It is of the mean of the values
 * themselves, not of their logarithms; it contains m, stays inside the range and, where the values are close
 * to each other, is Student's. Its level is approximate, as g(m) is only roughly normal.
 * Source: the delta method, as for the logit of a share in Korn and Graubard, "Confidence intervals for
 * proportions with small expected number of positive counts estimated from survey data" (1998), and for
 * the logarithm of a rate in Agresti, "Categorical Data Analysis" (2013), section 16.1.
 * @throws InputError when the level is not valid, or a value is outside the range
 */
export function meanConfidenceInterval(
  values: readonly number[],
  { level = 0.95, range = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] }: MeanIntervalOptions = {},
): Interval | null {
  checkLevel(level);
  checkRange(values, range);
  const deviation = sampleStandardDeviation(values);
  if (deviation === null) return null;
  const halfWidth = (studentTTwoSided(level, values.length - 1) * deviation) / Math.sqrt(values.length);
  // The mean of values at a limit may be beyond it by rounding.
  const centre = Math.min(Math.max(sampleMean(values), range[0]), range[1]);
  return spread(centre, halfWidth, range);
}

/** The interval around `centre` that has the half-width on a scale without limits, to first order. */
function spread(centre: number, halfWidth: number, [least, most]: readonly [number, number]): Interval {
  const [below, above] = [centre - least, most - centre];
  // All values are at the limit, where no scale has a place for them.
  if (below <= 0 || above <= 0) return { low: centre, high: centre };
  if (below === Number.POSITIVE_INFINITY && above === Number.POSITIVE_INFINITY)
    return { low: centre - halfWidth, high: centre + halfWidth };
  const moved = (by: number) => {
    if (above === Number.POSITIVE_INFINITY) return least + below * Math.exp(by / below);
    if (below === Number.POSITIVE_INFINITY) return most - above * Math.exp(-by / above);
    const odds = Math.exp((by * (most - least)) / (below * above));
    return least + (most - least) / (1 + above / (below * odds));
  };
  // Rounding could leave the range, or the centre outside of the interval.
  return {
    low: Math.min(centre, Math.max(least, moved(-halfWidth))),
    high: Math.max(centre, Math.min(most, moved(halfWidth))),
  };
}

/**
 * Wilson's score interval for a proportion, such as an accuracy over `trials` examples.
 * Source: Wilson, "Probable inference, the law of succession, and statistical inference" (1927).
 * @param level the confidence, in (0, 1); 0.95 by default.
 * @throws InputError unless 0 ≤ successes ≤ trials and trials ≥ 1, both integers.
 */
export function wilsonInterval(successes: number, trials: number, level = 0.95): Interval {
  checkLevel(level);
  if (!Number.isSafeInteger(trials) || trials < 1) {
    throw new InputError('The number of trials is not valid.', {
      where: 'trials',
      expected: 'an integer from 1',
      received: String(trials),
    });
  }
  if (!Number.isSafeInteger(successes) || successes < 0 || successes > trials) {
    throw new InputError('The number of successes is not valid.', {
      where: 'successes',
      expected: `an integer from 0 to ${trials}`,
      received: String(successes),
    });
  }
  const z = normalQuantile((1 + level) / 2);
  const share = successes / trials;
  const scale = 1 + (z * z) / trials;
  const centre = (share + (z * z) / (2 * trials)) / scale;
  const halfWidth = (z / scale) * Math.sqrt((share * (1 - share)) / trials + (z * z) / (4 * trials * trials));
  return {
    low: successes === 0 ? 0 : centre - halfWidth,
    high: successes === trials ? 1 : centre + halfWidth,
  };
}

/** The t for which |T| ≤ t has probability `level` under Student's distribution, by bisection. */
function studentTTwoSided(level: number, degreesOfFreedom: number): number {
  let low = 0;
  let high = Math.PI / 2;
  for (let step = 0; step < 60; step++) {
    const angle = (low + high) / 2;
    if (studentTProbability(angle, degreesOfFreedom) < level) low = angle;
    else high = angle;
  }
  return Math.sqrt(degreesOfFreedom) * Math.tan((low + high) / 2);
}

/**
 * P(|T| ≤ t) for whole degrees of freedom ν, with θ = arctan(t/√ν): the finite sums of Abramowitz
 * and Stegun, "Handbook of Mathematical Functions", 26.7.3 (odd ν) and 26.7.4 (even ν).
 */
function studentTProbability(angle: number, degreesOfFreedom: number): number {
  const cosineSquared = Math.cos(angle) ** 2;
  const odd = degreesOfFreedom % 2 === 1;
  let term = odd ? Math.cos(angle) : 1;
  let sum = 0;
  for (let power = odd ? 1 : 0; power <= degreesOfFreedom - 2; power += 2) {
    sum += term;
    term *= (cosineSquared * (power + 1)) / (power + 2);
  }
  return odd ? (2 / Math.PI) * (angle + Math.sin(angle) * sum) : Math.sin(angle) * sum;
}

function checkLevel(level: number): void {
  if (!(level > 0 && level < 1)) {
    throw new InputError('The confidence level is not valid.', {
      where: 'level',
      expected: 'a number between 0 and 1, e.g. 0.95',
      received: String(level),
    });
  }
}

function checkRange(values: readonly number[], [least, most]: readonly [number, number]): void {
  const outside = values.find((value) => value < least || value > most);
  if (outside === undefined) return;
  throw new InputError('A value is outside what is possible.', {
    where: 'values',
    expected: `numbers from ${least} to ${most}`,
    received: String(outside),
    fix: 'Correct `range`, or what measures the values.',
  });
}
