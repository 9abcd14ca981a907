import type { Preprocessing } from '@kora-bench/core/data';
import { CheckpointError } from '@kora-bench/core/errors';
import { z } from 'zod';
import { flag, positive, positiveInt, positiveTriple, text, triple } from './read-json.js';
import { unsupported } from './unsupported-features.js';

const box = z.object({ height: positiveInt, width: positiveInt });
const sizeForms = z.union(
  [positiveInt, box, z.object({ shortest_edge: positiveInt })],
  'an integer, {height, width} or {shortest_edge}',
);

/** The `preprocessor_config.json` of an image processor of transformers. */
export const preprocessorSchema = z.object({
  image_processor_type: text.optional(),
  feature_extractor_type: text.optional(),
  do_resize: flag.default(true),
  do_center_crop: flag.optional(),
  do_rescale: flag.default(true),
  do_normalize: flag.default(true),
  image_mean: triple.default([0.5, 0.5, 0.5]),
  image_std: positiveTriple.default([0.5, 0.5, 0.5]),
  resample: z.int('one of PIL’s filters, 0 to 5').min(0).max(5).optional(),
  rescale_factor: positive.default(1 / 255),
  size: sizeForms.optional(),
  crop_size: z.union([positiveInt, box], 'an integer or {height, width}').optional(),
});
export type PreprocessorConfig = z.infer<typeof preprocessorSchema>;

/** PIL's resampling filters in the order of their codes. */
const filters = ['nearest', 'lanczos', 'bilinear', 'bicubic', 'box', 'hamming'] as const;

type Size = readonly [height: number, width: number];

interface ModelInput {
  /** Height and width that the weights are made for. */
  readonly imageSize: Size;
  /** The model takes images of another size, too. */
  readonly interpolates: boolean;
  /** The preprocessor's file, for messages. */
  readonly path: string;
}

/**
 * How the processor makes images, in timm's terms.
 * @throws CheckpointError naming a feature that is missing here, or when the images are of another size than the
 *   model takes
 */
export function readPreprocessor(config: PreprocessorConfig, input: ModelInput): Preprocessing {
  const { path } = input;
  const refuse = (field: string, feature: string, expected: string, received: unknown) =>
    unsupported(feature, { where: `${path}: ${field}`, expected, received: JSON.stringify(received) });
  const processor = config.image_processor_type ?? config.feature_extractor_type ?? '';
  // These classes cut out the centre and read one number as the shorter edge; the others squash to a square.
  const crops = /^(?:CLIP|Bit|ChineseCLIP)/.test(processor);
  const centre = config.do_center_crop ?? (crops || processor.startsWith('DeiT'));
  const interpolation = filters[config.resample ?? (crops || /^(?:DeiT|Siglip)/.test(processor) ? 3 : 2)]!;
  if (!config.do_resize) throw refuse('do_resize', 'images that are not resized', 'true', false);
  if (interpolation !== 'bilinear' && interpolation !== 'bicubic')
    throw refuse(
      'resample',
      `${interpolation} interpolation`,
      '2 (bilinear) or 3 (bicubic)',
      config.resample,
    );
  const own = { height: input.imageSize[0], width: input.imageSize[1] };
  const size = config.size ?? own;
  const resized = typeof size === 'number' && crops ? { shortest_edge: size } : size;
  const cropped = centre ? (config.crop_size ?? own) : undefined;
  const geometry =
    typeof resized === 'object' && 'shortest_edge' in resized
      ? keptRatio(resized.shortest_edge, cropped, refuse)
      : squashed(pair(resized), cropped, refuse);
  checkSize(geometry.imageSize, input);
  const factor = 255 * (config.do_rescale ? config.rescale_factor : 1);
  const scale = Math.abs(factor - 1) < 1e-6 ? 1 : factor;
  const scaled = ([r, g, b]: readonly [number, number, number]) => [r / scale, g / scale, b / scale] as const;
  return {
    ...geometry,
    interpolation,
    // Numbers of the processor are of its own rescaled values, ours of values from 0 to 1.
    mean: config.do_normalize ? scaled(config.image_mean) : [0, 0, 0],
    std: scaled(config.do_normalize ? config.image_std : [1, 1, 1]),
  };
}

type Refuse = (field: string, feature: string, expected: string, received: unknown) => CheckpointError;
type Cropped = PreprocessorConfig['crop_size'];

function keptRatio(
  edge: number,
  cropped: Cropped,
  refuse: Refuse,
): Pick<Preprocessing, 'imageSize' | 'cropPct'> {
  if (cropped === undefined)
    throw refuse('size', 'images of any shape', 'a size with {height, width}, or a centre crop', {
      shortest_edge: edge,
    });
  const imageSize = pair(cropped);
  if (imageSize[0] !== imageSize[1])
    throw refuse(
      'crop_size',
      'a crop that is not square out of an image that keeps its ratio',
      'a square',
      cropped,
    );
  return { imageSize, cropPct: cropPct(imageSize[0], edge, refuse) };
}

function squashed(
  size: Size,
  cropped: Cropped,
  refuse: Refuse,
): Pick<Preprocessing, 'imageSize' | 'cropPct' | 'cropMode'> {
  const imageSize = cropped === undefined ? size : pair(cropped);
  const [vertical, horizontal] = imageSize.map((side, i) => cropPct(side, size[i]!, refuse));
  if (vertical !== horizontal)
    throw refuse(
      'crop_size',
      'a crop of another shape than the image',
      `the shape of ${size.join('×')}`,
      cropped,
    );
  return { imageSize, cropPct: vertical!, cropMode: 'squash' };
}

/** The share for which `floor(side / share)` is the size before the crop. */
function cropPct(side: number, before: number, refuse: Refuse): number {
  if (side > before)
    throw refuse('crop_size', 'a crop that is larger than the image', `at most ${before}`, side);
  const share = side / before;
  return Math.floor(side / share) === before ? share : side / (before + 0.5);
}

function checkSize(made: Size, { imageSize, interpolates, path }: ModelInput): void {
  if (interpolates || (made[0] === imageSize[0] && made[1] === imageSize[1])) return;
  throw new CheckpointError('The preprocessor makes images of another size than the model takes.', {
    where: `${path}: size`,
    expected: imageSize.join('×'),
    received: made.join('×'),
    fix: 'Use the preprocessor_config.json that belongs to this checkpoint.',
  });
}

function pair(value: number | { readonly height: number; readonly width: number }): Size {
  return typeof value === 'number' ? [value, value] : [value.height, value.width];
}
