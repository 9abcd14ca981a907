import type { RandomStream } from '@kora-bench/core';
import { clamp01, fraction } from './portable-math.js';

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
export function luma(colour: Rgb): number {
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
