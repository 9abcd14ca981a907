import type { RandomStream } from '@kora-bench/core/random';

/**
 * The few functions beyond + − × ÷ √ that the renderer needs. ECMAScript leaves the last bits of
 * Math.sin, Math.exp and Math.pow to the engine; these are built from correctly rounded operations
 * only, so that every pixel has the same bits on every machine.
 */

const twoPi = 2 * Math.PI;

export function clamp01(x: number): number {
  return Math.max(0, Math.min(1, x));
}

function mix(a: number, b: number, t: number): number {
  return a + (b - a) * t;
}

/** x − ⌊x⌋, in [0, 1). */
export function fraction(x: number): number {
  return x - Math.floor(x);
}

/** sin(2πt) of an angle in turns, to about 1e-11. */
export function sinTurns(turns: number): number {
  let t = turns - Math.floor(turns + 0.5);
  if (t > 0.25) t = 0.5 - t;
  else if (t < -0.25) t = -0.5 - t;
  const x = t * twoPi;
  const s = -x * x;
  // Taylor series as nested products: x(1 + s/6(1 + s/20(1 + s/42(…)))).
  let series = 1;
  for (let k = 16; k >= 2; k -= 2) series = 1 + (s / (k * (k + 1))) * series;
  return x * series;
}

/** cos(2πt) of an angle in turns, to about 1e-11. */
export function cosTurns(turns: number): number {
  return sinTurns(turns + 0.25);
}

/** 32 well-mixed bits of a lattice point: multiply–xorshift rounds on 32-bit integers. */
export function latticeHash(x: number, y: number, salt: number): number {
  let h = Math.imul(x, 0x27d4eb2f) ^ Math.imul(y, 0x165667b1) ^ Math.imul(salt, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 15), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Smoothly interpolated random values of the integer lattice, in [0, 1]. */
export function valueNoise(x: number, y: number, salt: number): number {
  const xi = Math.floor(x);
  const yi = Math.floor(y);
  const fx = x - xi;
  const fy = y - yi;
  const sx = fx * fx * (3 - 2 * fx);
  const sy = fy * fy * (3 - 2 * fy);
  const top = mix(latticeHash(xi, yi, salt), latticeHash(xi + 1, yi, salt), sx);
  const bottom = mix(latticeHash(xi, yi + 1, salt), latticeHash(xi + 1, yi + 1, salt), sx);
  return mix(top, bottom, sy) / 4294967295;
}

/** Three octaves of value noise, in [0, 1]. */
export function fractalNoise(x: number, y: number, salt: number): number {
  return (
    (4 * valueNoise(x, y, salt) +
      2 * valueNoise(2 * x + 17.3, 2 * y + 5.1, salt + 1) +
      valueNoise(4 * x + 3.7, 4 * y + 11.9, salt + 2)) /
    7
  );
}

/**
 * Distance to the border between the two nearest of one random point per lattice cell, as the
 * difference of the two distances (Worley, "A cellular texture basis function", SIGGRAPH 1996).
 */
export function cellBorder(x: number, y: number, salt: number): number {
  const xi = Math.floor(x);
  const yi = Math.floor(y);
  let nearest = 9;
  let second = 9;
  for (let dy = -1; dy <= 1; dy++) {
    for (let dx = -1; dx <= 1; dx++) {
      const h = latticeHash(xi + dx, yi + dy, salt);
      const px = xi + dx + 0.15 + (0.7 * (h & 0xffff)) / 65535 - x;
      const py = yi + dy + 0.15 + (0.7 * (h >>> 16)) / 65535 - y;
      const d = px * px + py * py;
      if (d < nearest) {
        second = nearest;
        nearest = d;
      } else if (d < second) second = d;
    }
  }
  return Math.sqrt(second) - Math.sqrt(nearest);
}

/** A sum of four bytes of a hash, scaled to mean 0 and variance 1: near normal, within ±3.5. */
export function hashNormal(h: number): number {
  return ((h & 255) + ((h >>> 8) & 255) + ((h >>> 16) & 255) + (h >>> 24) - 510) / 147.8;
}

/** Triangle wave of period 1 with values in [0, 1]. */
export function triangleWave(s: number): number {
  return Math.abs(2 * fraction(s) - 1);
}

/** A uniformly chosen element. */
export function choose<T>(random: RandomStream, from: readonly T[]): T {
  return from[random.uniformInt(from.length)]!;
}

/** Uniform in [low, high). */
export function between(random: RandomStream, low: number, high: number): number {
  return low + (high - low) * random.uniform();
}

/** True with the given probability. */
export function chance(random: RandomStream, probability: number): boolean {
  return random.uniform() < probability;
}
