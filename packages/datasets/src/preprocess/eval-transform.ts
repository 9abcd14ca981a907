import type { Preprocessing } from '@kora-bench/core/data';
import { InputError } from '@kora-bench/core/errors';
import { type ImageExtent, type PixelRegion, resampleRgb } from './pillow-resample.js';

/** The part of a preprocessing that determines pixels; normalisation comes after the cache. */
export type PixelGeometry = Pick<Preprocessing, 'imageSize' | 'interpolation' | 'cropPct' | 'cropMode'>;

/** How one image of a known size is resized and cropped. All in pixels. */
interface EvalGeometry {
  readonly resizedHeight: number;
  readonly resizedWidth: number;
  readonly crop: PixelRegion;
}

/**
 * Resize and centre crop of an image, as timm's evaluation transform.
 * A square target takes torchvision's `Resize(floor(size / cropPct))` of the shorter side, which cuts
 * the longer one down to whole pixels; any other target takes timm's `ResizeKeepRatio`, which rounds; squashing
 * resizes each side by itself.
 * Then torchvision's `CenterCrop`, whose offset rounds halves to even.
 */
function evalGeometry(height: number, width: number, geometry: PixelGeometry): EvalGeometry {
  const [cropHeight, cropWidth] = geometry.imageSize;
  const scaleHeight = Math.floor(cropHeight / geometry.cropPct);
  const scaleWidth = Math.floor(cropWidth / geometry.cropPct);
  let resizedHeight: number;
  let resizedWidth: number;
  if (geometry.cropMode === 'squash') {
    resizedHeight = scaleHeight;
    resizedWidth = scaleWidth;
  } else if (scaleHeight === scaleWidth) {
    const size = scaleHeight;
    resizedHeight = height <= width ? size : Math.trunc((size * height) / width);
    resizedWidth = width <= height ? size : Math.trunc((size * width) / height);
  } else {
    const ratio = Math.min(height / scaleHeight, width / scaleWidth);
    resizedHeight = roundHalfToEven(height / ratio);
    resizedWidth = roundHalfToEven(width / ratio);
  }
  const top = roundHalfToEven((resizedHeight - cropHeight) / 2);
  const left = roundHalfToEven((resizedWidth - cropWidth) / 2);
  return { resizedHeight, resizedWidth, crop: { top, left, height: cropHeight, width: cropWidth } };
}

/** Python's `round`. */
function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** @throws InputError naming the field that is out of range. */
export function checkGeometry(geometry: PixelGeometry): void {
  for (const size of geometry.imageSize) {
    if (!Number.isInteger(size) || size < 1 || size > 4096) {
      throw new InputError('The image size of the preprocessing is not valid.', {
        where: 'preprocessing.imageSize',
        expected: 'two integers from 1 to 4096',
        received: JSON.stringify(geometry.imageSize),
        fix: 'Take the size from the checkpoint, e.g. [224, 224].',
      });
    }
  }
  if (!(geometry.cropPct > 0 && geometry.cropPct <= 1)) {
    throw new InputError('The crop of the preprocessing is not valid.', {
      where: 'preprocessing.cropPct',
      expected: 'a number above 0, up to 1',
      received: String(geometry.cropPct),
      fix: 'Take crop_pct from the checkpoint, e.g. 0.9.',
    });
  }
  if (geometry.interpolation !== 'bicubic' && geometry.interpolation !== 'bilinear') {
    throw new InputError('The interpolation of the preprocessing is not known.', {
      where: 'preprocessing.interpolation',
      expected: '"bicubic" or "bilinear"',
      received: JSON.stringify(geometry.interpolation),
      fix: 'Take the interpolation from the checkpoint.',
    });
  }
}

/** Resizes and crops RGB bytes `[height, width, 3]` to `[H, W, 3]` as timm's evaluation transform does. */
export function preparePixels(
  pixels: Uint8Array,
  height: number,
  width: number,
  geometry: PixelGeometry,
): Uint8Array {
  const { resizedHeight, resizedWidth, crop } = evalGeometry(height, width, geometry);
  return resampleRgb(
    pixels,
    { height, width },
    { height: resizedHeight, width: resizedWidth, region: crop, interpolation: geometry.interpolation },
  );
}

/**
 * Resizes and crops a map of values per pixel `[height, width]` into `target` `[H, W]`, exactly as
 * {@link preparePixels} does its image, but by the nearest value: classes and metres must not be blended.
 * Takes the pixels that Pillow takes (`Image.resize` with `NEAREST`, pixel centres at halves).
 */
export function prepareTarget<T extends Int16Array | Float32Array>(
  values: T,
  { height, width }: ImageExtent,
  geometry: PixelGeometry,
  target: T,
): void {
  const { resizedHeight, resizedWidth, crop } = evalGeometry(height, width, geometry);
  const rows = nearestPositions(height, resizedHeight, crop.top, crop.height);
  const columns = nearestPositions(width, resizedWidth, crop.left, crop.width);
  for (let y = 0; y < crop.height; y++) {
    const row = rows[y]! * width;
    for (let x = 0; x < crop.width; x++) target[y * crop.width + x] = values[row + columns[x]!]!;
  }
}

/**
 * Where the outputs `from … from + length - 1` of a resize from `inSize` to `outSize` are read. Pillow adds
 * the step up instead of multiplying (`ImagingScaleAffine` of its Geometry.c), which decides ties.
 */
function nearestPositions(inSize: number, outSize: number, from: number, length: number): Int32Array {
  const step = inSize / outSize;
  const positions = new Int32Array(length);
  let position = step * 0.5;
  for (let i = 0; i < from + length; i++) {
    if (i >= from) positions[i - from] = Math.min(Math.floor(position), inSize - 1);
    position += step;
  }
  return positions;
}
