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

/**
 * Student's t interval for the mean of independent, roughly normal values, such as one accuracy per
 * seed: mean ± t · s/√n with n − 1 degrees of freedom. Null for fewer than two values.
 * @param level the confidence, in (0, 1); 0.95 by default.
 */
export function meanConfidenceInterval(values: readonly number[], level = 0.95): Interval | null {
  checkLevel(level);
  const deviation = sampleStandardDeviation(values);
  if (deviation === null) return null;
  const centre = sampleMean(values);
  const halfWidth = (studentTTwoSided(level, values.length - 1) * deviation) / Math.sqrt(values.length);
  return { low: centre - halfWidth, high: centre + halfWidth };
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
