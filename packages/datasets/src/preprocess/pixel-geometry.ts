import { cropModes, interpolations, type Preprocessing } from '@kora-bench/core/data';
import { InputError } from '@kora-bench/core/errors';

/** The part of a preprocessing that determines pixels; normalisation comes after the cache. */
export type PixelGeometry = Pick<
  Preprocessing,
  'imageSize' | 'interpolation' | 'cropPct' | 'cropMode' | 'cropRounding'
>;

/** That part alone, without what is not set. */
export function pixelGeometry(preprocessing: PixelGeometry): PixelGeometry {
  const { imageSize, interpolation, cropPct, cropMode, cropRounding } = preprocessing;
  return {
    imageSize,
    interpolation,
    cropPct,
    ...(cropMode && cropMode !== 'center' && { cropMode }),
    ...(cropRounding && { cropRounding }),
  };
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
  checkNamed('interpolation', geometry.interpolation, interpolations);
  checkNamed('cropMode', geometry.cropMode ?? 'center', cropModes);
  checkNamed('cropRounding', geometry.cropRounding ?? 'down', ['down']);
}

function checkNamed(field: string, value: string, names: readonly string[]): void {
  if (names.includes(value)) return;
  throw new InputError(`The ${field} of the preprocessing is not known.`, {
    where: `preprocessing.${field}`,
    expected: `one of ${names.join(', ')}`,
    received: JSON.stringify(value),
    fix: `Take the ${field} from the checkpoint.`,
  });
}
