/*
 * The distributions that the tests need, in float64: about 1e-12 relative, checked against SciPy.
 */

/** ln Γ(x) for x > 0. Source: Lanczos's series with g = 7 and nine terms (Godfrey 2001). */
export function logGamma(x: number): number {
  const [first, ...rest] = lanczos;
  let sum = first;
  for (const [i, coefficient] of rest.entries()) sum += coefficient / (x + i);
  const t = x + 6.5;
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(sum);
}

const lanczos: readonly [number, ...number[]] = [
  0.9999999999998099, 676.5203681218851, -1259.1392167224028, 771.3234287776531, -176.6150291621406,
  12.507343278686905, -0.13857109526572012, 9.984369578019572e-6, 1.5056327351493116e-7,
];

/**
 * The regularised incomplete beta function I_x(a, b) for x in [0, 1] and a, b > 0, by the continued fraction 8.17.22
 * of the NIST Digital Library of Mathematical Functions, evaluated by Lentz's method.
 */
export function regularizedBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  // The fraction converges fast on one side of the mean; the other follows by symmetry.
  if (x > (a + 1) / (a + b + 2)) return 1 - regularizedBeta(1 - x, b, a);
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x));
  return (front * betaFraction(x, a, b)) / a;
}

function betaFraction(x: number, a: number, b: number): number {
  const tiny = 1e-300;
  let d = 1 - ((a + b) * x) / (a + 1);
  d = 1 / (Math.abs(d) < tiny ? tiny : d);
  let c = 1;
  let fraction = d;
  const step = (numerator: number) => {
    d = 1 + numerator * d;
    d = 1 / (Math.abs(d) < tiny ? tiny : d);
    c = 1 + numerator / c;
    if (Math.abs(c) < tiny) c = tiny;
    fraction *= c * d;
    return Math.abs(c * d - 1);
  };
  for (let m = 1; m <= 10_000; m++) {
    step((m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m)));
    const change = step((-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1)));
    if (change < 1e-15) break;
  }
  return fraction;
}

/** P(|T| ≥ |t|) under Student's distribution; the degrees of freedom need not be whole. */
export function studentTTails(t: number, degreesOfFreedom: number): number {
  if (!Number.isFinite(t)) return 0;
  return regularizedBeta(degreesOfFreedom / (degreesOfFreedom + t * t), degreesOfFreedom / 2, 0.5);
}

/** The t with P(|T| ≤ t) = `level`, by bisection. */
export function studentTWithin(level: number, degreesOfFreedom: number): number {
  let [low, high] = [0, 1];
  while (studentTTails(high, degreesOfFreedom) > 1 - level && high < 1e12) high *= 2;
  for (let step = 0; step < 100; step++) {
    const middle = (low + high) / 2;
    if (studentTTails(middle, degreesOfFreedom) > 1 - level) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** P(F ≥ f) under Fisher's distribution. */
export function fisherFTail(f: number, numerator: number, denominator: number): number {
  if (f <= 0) return 1;
  return regularizedBeta(denominator / (denominator + numerator * f), denominator / 2, numerator / 2);
}

/** P(|Z| ≥ |z|) under the standard normal distribution. */
export function normalTails(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  if (x === 0) return 1;
  if (x < 2) {
    // erf's series; NIST Digital Library of Mathematical Functions, 7.6.2.
    let term = x;
    let sum = x;
    for (let n = 1; Math.abs(term) > 1e-17 * sum; n++) {
      term *= (2 * x * x) / (2 * n + 1);
      sum += term;
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
  }
  // erfc's continued fraction, from its far end; 7.9.1 there.
  let fraction = 0;
  for (let n = 120; n >= 1; n--) fraction = n / 2 / (x + fraction);
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + fraction);
}
