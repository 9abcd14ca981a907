import { evalGeometry, type PixelGeometry } from './eval-geometry.js';
import { resampleRgb } from './pillow-resample.js';

/** Resizes and crops RGB bytes `[height, width, 3]` to `[H, W, 3]` as timm's evaluation transform does. */
export function preparePixels(
  pixels: Uint8Array,
  height: number,
  width: number,
  geometry: PixelGeometry,
): Uint8Array {
  const { resizedHeight, resizedWidth, crop } = evalGeometry(height, width, geometry);
  return resampleRgb(pixels, height, width, resizedHeight, resizedWidth, geometry.interpolation, crop);
}
