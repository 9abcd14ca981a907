import type { RandomStream } from '@kora-bench/core';
import type { Canvas } from './canvas.js';
import { hashNormal, latticeHash } from './lattice-noise.js';

/** How strongly the conditions of a picture vary within a family. */
export interface ExposureRange {
  /** Largest change of brightness from the centre to a border. */
  readonly gradient: number;
  /** Standard deviation of the colour cast's channel gains. */
  readonly cast: number;
  /** Lowest contrast; 1 is the scene's own. */
  readonly contrast: number;
  /** Largest standard deviation of the noise, of a full scale of 1. */
  readonly noise: number;
}

/**
 * The camera: a random lighting gradient, colour cast, contrast, brightness and noise, then rounding
 * to bytes `[H, W, 3]`. The noise is drawn per output pixel, as a sensor's is.
 */
export function expose(canvas: Canvas, random: RandomStream, range: ExposureRange): Uint8Array {
  const { width, height, pixel, left, top, rgb } = canvas;
  const gx = range.gradient * (2 * random.uniform() - 1);
  const gy = range.gradient * (2 * random.uniform() - 1);
  const contrast = range.contrast + (1.1 - range.contrast) * random.uniform();
  const brightness = 0.5 + 0.12 * (2 * random.uniform() - 1);
  const gains = [0, 1, 2].map(() => contrast * (1 + range.cast * random.normal()));
  const offset = brightness - 0.5 * contrast;
  const noise = range.noise * (0.15 + 0.85 * random.uniform());
  const salt = random.nextUint32();
  const bytes = new Uint8Array(width * height * 3);
  for (let row = 0; row < height; row++) {
    const vertical = 1 + gy * (top + row * pixel);
    for (let column = 0; column < width; column++) {
      const light = vertical + gx * (left + column * pixel);
      const at = 3 * (row * width + column);
      for (let c = 0; c < 3; c++) {
        const grain = noise * hashNormal(latticeHash(3 * column + c, row, salt));
        const value = 255 * (rgb[at + c]! * light * gains[c]! + offset + grain) + 0.5;
        bytes[at + c] = value < 0 ? 0 : value > 255 ? 255 : Math.floor(value);
      }
    }
  }
  return bytes;
}
