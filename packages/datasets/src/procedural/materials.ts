import type { RandomStream } from '@kora-bench/core/random';
import { cellBorder, clamp01, fractalNoise, fraction, triangleWave, valueNoise } from './arithmetic.js';

/** Red, green and blue, 0 (black) to 1. */
export type Rgb = readonly [number, number, number];

/** HSV to RGB by the piecewise linear hexcone formula; hue in turns, the others in [0, 1]. */
export function hsv(hue: number, saturation: number, value: number): Rgb {
  const channel = (offset: number) => {
    const k = 6 * fraction(hue + offset / 6);
    return value * (1 - saturation * clamp01(Math.min(k, 4 - k)));
  };
  return [channel(5), channel(3), channel(1)];
}

/** Perceived brightness in [0, 1] (ITU-R BT.601 weights). */
function luma(colour: Rgb): number {
  return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2];
}

/** The colour with its brightness moved to `target` by scaling or by mixing with white. */
export function withLuma(colour: Rgb, target: number): Rgb {
  const y = luma(colour);
  if (target <= y) {
    const scale = y === 0 ? 0 : target / y;
    return [colour[0] * scale, colour[1] * scale, colour[2] * scale];
  }
  const white = (target - y) / (1 - y + 1e-9);
  return [
    colour[0] + (1 - colour[0]) * white,
    colour[1] + (1 - colour[1]) * white,
    colour[2] + (1 - colour[2]) * white,
  ];
}

/** A colour of any hue with a given brightness. */
export function randomColour(random: RandomStream, brightness: number): Rgb {
  return withLuma(hsv(random.uniform(), 0.15 + 0.75 * random.uniform(), 0.8), brightness);
}

/**
 * A procedural texture: the blend between two colours in [0, 1] at (u, v), where one period or cell
 * is about 1 unit wide. `w` is the width of a pixel in these units and softens edges; `salt` picks
 * the random lattice.
 */
export type Texture = (u: number, v: number, w: number, salt: number) => number;

/** Coverage of bands of width `duty` around the integers of `s`. */
function band(s: number, duty: number, w: number): number {
  const fromCentre = Math.abs(fraction(s + 0.5) - 0.5);
  return clamp01(0.5 + (duty / 2 - fromCentre) / (w + 1e-9));
}

/** Coverage of a disc of radius `r` around each lattice point. */
function discs(u: number, v: number, r: number, w: number): number {
  const du = fraction(u + 0.5) - 0.5;
  const dv = fraction(v + 0.5) - 0.5;
  return clamp01(0.5 + (r - Math.sqrt(du * du + dv * dv)) / (w + 1e-9));
}

export const allTextures = {
  plain: () => 0,
  stripes: (u, _v, w) => band(u, 0.5, w),
  hoops: (_u, v, w) => band(v, 0.5, w),
  pinstripes: (u, _v, w) => band(u * 1.4, 0.22, 1.4 * w),
  diagonal: (u, v, w) => band((u + v) * 0.75, 0.5, w),
  checker: (u, v, w) => {
    const a = 2 * band(u * 0.5, 0.5, 0.5 * w) - 1;
    const b = 2 * band(v * 0.5, 0.5, 0.5 * w) - 1;
    return 0.5 + 0.5 * a * b;
  },
  dots: (u, v, w) => discs(u, v, 0.3, w),
  polka: (u, v, w) => {
    const row = Math.floor(v * 0.8 + 0.5);
    return discs(u * 0.7 + (row & 1 ? 0.5 : 0), v * 0.8, 0.33, 0.75 * w);
  },
  grid: (u, v, w) => Math.max(band(u, 0.24, w), band(v, 0.24, w)),
  bricks: (u, v, w) => {
    const row = Math.floor(v + 0.5);
    return Math.max(band(v + 0.5, 0.18, w), band(u * 0.5 + (row & 1 ? 0.5 : 0), 0.1, 0.5 * w));
  },
  zigzag: (u, v, w) => band(v + 0.9 * triangleWave(u * 0.6), 0.5, 1.4 * w),
  rings: (u, v, w) => band(Math.sqrt(u * u + v * v), 0.5, w),
  ripples: (u, v, w, salt) => band(u + 1.3 * valueNoise(u * 0.6, v * 0.6, salt), 0.5, 1.4 * w),
  clouds: (u, v, _w, salt) => clamp01(1.6 * fractalNoise(0.8 * u, 0.8 * v, salt) - 0.3),
  cells: (u, v, w, salt) => clamp01(0.5 + (0.14 - cellBorder(u, v, salt)) / (w + 0.05)),
  speckle: (u, v, w, salt) => clamp01(0.5 + (valueNoise(2.3 * u, 2.3 * v, salt) - 0.62) / (2.3 * w + 0.08)),
} as const satisfies Record<string, Texture>;

export type TextureName = keyof typeof allTextures;

export const textureNames = Object.keys(allTextures) as readonly TextureName[];
