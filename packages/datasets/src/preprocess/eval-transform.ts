import { InputError } from '@kora-bench/core/errors';
import { type ImageExtent, nearestPositions, type PixelRegion, resampleRgb } from './pillow-resample.js';
import type { PixelGeometry } from './pixel-geometry.js';

/** How one image of a known size is resized and cropped. All in pixels. */
interface EvalGeometry {
  readonly resized: ImageExtent;
  /** What is cut out of the resized image. */
  readonly crop: PixelRegion;
  /** Where that lies in the model's input; around it is nothing where the image is too small. */
  readonly top: number;
  readonly left: number;
}

function evalGeometry(height: number, width: number, geometry: PixelGeometry): EvalGeometry {
  const resized = resizedExtent({ height, width }, geometry);
  const [inputHeight, inputWidth] = geometry.imageSize;
  const [top, rows, above] = centred(resized.height, inputHeight, geometry);
  const [left, columns, before] = centred(resized.width, inputWidth, geometry);
  return { resized, crop: { top, left, height: rows, width: columns }, top: above, left: before };
}

/**
 * A square target takes torchvision's `Resize(floor(size / cropPct))` of the shorter side, which cuts the longer one
 * down to whole pixels, as `shortest_edge` of transformers does; any other target takes timm's `ResizeKeepRatio`,
 * which rounds; squashing resizes each side by itself.
 */
function resizedExtent({ height, width }: ImageExtent, geometry: PixelGeometry): ImageExtent {
  const { imageSize, cropPct, cropMode = 'center' } = geometry;
  if (cropMode === 'crop' || cropMode === 'exact') return { height, width };
  const [scaleHeight, scaleWidth] = imageSize.map((side) => Math.floor(side / cropPct)) as [number, number];
  if (cropMode === 'squash') return { height: scaleHeight, width: scaleWidth };
  if (cropMode === 'shortest' || scaleHeight === scaleWidth) {
    const size = Math.min(scaleHeight, scaleWidth);
    return {
      height: height <= width ? size : Math.trunc((size * height) / width),
      width: width <= height ? size : Math.trunc((size * width) / height),
    };
  }
  const ratio = Math.min(height / scaleHeight, width / scaleWidth);
  return { height: roundHalfToEven(height / ratio), width: roundHalfToEven(width / ratio) };
}

/** Along one axis: the first pixel of a centre crop, how many there are of it, and how many the crop lacks before. */
function centred(
  side: number,
  crop: number,
  { cropRounding }: PixelGeometry,
): readonly [from: number, length: number, before: number] {
  const over = side - crop;
  if (over < 0) return [0, side, Math.floor(-over / 2)];
  return [cropRounding === 'down' ? Math.floor(over / 2) : roundHalfToEven(over / 2), crop, 0];
}

/** Python's `round`. */
function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/**
 * Resizes and crops RGB bytes `[height, width, 3]` to `[H, W, 3]` as the evaluation transforms of timm and the
 * processors of transformers do. What an image lacks is black.
 * @throws InputError when the image must have the model's size and has not
 */
export function preparePixels(
  pixels: Uint8Array,
  height: number,
  width: number,
  geometry: PixelGeometry,
): Uint8Array {
  const [inputHeight, inputWidth] = geometry.imageSize;
  if (geometry.cropMode === 'exact' && (height !== inputHeight || width !== inputWidth)) {
    throw new InputError('The image does not have the size that the model takes, and is not to be resized.', {
      expected: `${inputHeight} × ${inputWidth}, height and width`,
      received: `${height} × ${width}`,
      fix: 'Resize the images beforehand, or use a model whose processor resizes (do_resize: true).',
    });
  }
  const { resized, crop, top, left } = evalGeometry(height, width, geometry);
  const { interpolation } = geometry;
  const cut = resampleRgb(pixels, { height, width }, { ...resized, region: crop, interpolation });
  if (crop.height === inputHeight && crop.width === inputWidth) return cut;
  const padded = new Uint8Array(inputHeight * inputWidth * 3);
  for (let y = 0; y < crop.height; y++) {
    const row = cut.subarray(y * crop.width * 3, (y + 1) * crop.width * 3);
    padded.set(row, ((top + y) * inputWidth + left) * 3);
  }
  return padded;
}

/**
 * Resizes and crops a map of values per pixel `[height, width]` into `target` `[H, W]`, exactly as
 * {@link preparePixels} does its image, but by the nearest value: classes and metres must not be blended.
 * Takes the pixels that Pillow takes (`Image.resize` with `NEAREST`, pixel centres at halves). Where there is no image,
 * no class is known (−1 in a mask) and nothing measured (0 in a map of depths).
 */
export function prepareTarget<T extends Int16Array | Float32Array>(
  values: T,
  { height, width }: ImageExtent,
  geometry: PixelGeometry,
  target: T,
): void {
  const { resized, crop, top, left } = evalGeometry(height, width, geometry);
  const [inputHeight, inputWidth] = geometry.imageSize;
  if (crop.height < inputHeight || crop.width < inputWidth)
    target.fill(target instanceof Int16Array ? -1 : 0);
  const rows = nearestPositions(height, resized.height, crop.top, crop.height);
  const columns = nearestPositions(width, resized.width, crop.left, crop.width);
  for (let y = 0; y < crop.height; y++) {
    const row = rows[y]! * width;
    const start = (top + y) * inputWidth + left;
    for (let x = 0; x < crop.width; x++) target[start + x] = values[row + columns[x]!]!;
  }
}
