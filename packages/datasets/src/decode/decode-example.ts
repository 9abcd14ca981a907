import { InputError } from '@kora-bench/core/errors';
import { preparePixels, prepareTarget } from '../preprocess/eval-transform.js';
import type { ImageExtent } from '../preprocess/pillow-resample.js';
import type { PixelGeometry } from '../preprocess/pixel-geometry.js';
import { decodeImage } from './decode-image.js';
import { decodeDepth, decodeMask, UndecodableExample, type Values } from './decode-targets.js';
import { packedLayout, partsOf } from './packed-example.js';
import type { DecodePlan, StoredExample } from './stored-example.js';

/**
 * Decodes an example, resizes and crops its image and its targets alike, and packs them.
 *
 * @throws UndecodableExample when a part is damaged or does not fit the others
 */
export async function decodeExample(
  example: StoredExample,
  plan: DecodePlan,
): Promise<Uint8Array<ArrayBuffer>> {
  const { geometry } = plan;
  const image = await decodeImage(example.image, plan.image);
  const layout = packedLayout(geometry.imageSize, {
    depth: plan.depth !== undefined,
    mask: plan.mask !== undefined,
  });
  const packed = new Uint8Array(layout.bytes);
  const parts = partsOf(packed, layout);
  parts.pixels.set(preparedImage(image, geometry));
  if (plan.mask !== undefined) {
    const mask = decodeMask(present(example.mask, 'mask'), plan.mask);
    requireSameSize('mask', mask, image);
    prepareTarget(mask.values, mask, geometry, parts.mask!);
  }
  if (plan.depth !== undefined) {
    const depth = decodeDepth(present(example.depth, 'depth'), plan.depth);
    requireSameSize('depth', depth, image);
    prepareTarget(depth.values, depth, geometry, parts.depth!);
  }
  return packed;
}

function preparedImage({ values, height, width }: Values<Uint8Array>, geometry: PixelGeometry): Uint8Array {
  try {
    return preparePixels(values, height, width, geometry);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const { message, expected = '', received = '', fix = '' } = error;
    throw new UndecodableExample({ part: 'image', message, expected, received, fix });
  }
}

function present<T>(stored: T | undefined, part: 'mask' | 'depth'): T {
  if (stored !== undefined) return stored;
  throw new UndecodableExample({
    part,
    message: `An example has no ${part}.`,
    expected: `a ${part} for every image, as the split’s targets say`,
    received: 'none',
    fix: 'Correct the data set’s reader.',
  });
}

function requireSameSize(part: 'mask' | 'depth', found: ImageExtent, image: ImageExtent): void {
  if (found.height === image.height && found.width === image.width) return;
  throw new UndecodableExample({
    part,
    message: `The ${part} is not of the size of its image.`,
    expected: `${image.height} × ${image.width}, the height and width of the image`,
    received: `${found.height} × ${found.width}`,
    fix: `Give image and ${part} the same size; both are resized together later.`,
  });
}
