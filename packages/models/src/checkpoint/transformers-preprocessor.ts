import type { Interpolation, Preprocessing } from '@kora-bench/core/data';
import { CheckpointError } from '@kora-bench/core/errors';
import { z } from 'zod';
import { flag, positiveInt, positiveTriple, scale, text, triple } from './read-json.js';
import { unsupported } from './unsupported-features.js';

const box = z.object({ height: positiveInt, width: positiveInt });
const pairOfSides = z
  .tuple([positiveInt, positiveInt])
  .transform(([height, width]): z.infer<typeof box> => ({ height, width }));
/** Whatever shares a size with `shortest_edge` or `height` and `width` changes what these mean. */
const shortestEdge = z.strictObject({ shortest_edge: positiveInt });
const otherSizes = z
  .record(z.string(), positiveInt)
  .refine((size) => Object.keys(size).length > 0, '{height, width} or {shortest_edge}');
const sizeForms = z.union(
  [positiveInt, pairOfSides, z.strictObject(box.shape), shortestEdge, otherSizes],
  'an integer, {height, width} or {shortest_edge}',
);

/** The `preprocessor_config.json` of an image processor of transformers. */
export const preprocessorSchema = z.object({
  image_processor_type: text.optional(),
  feature_extractor_type: text.optional(),
  do_resize: flag.default(true),
  do_center_crop: flag.optional(),
  do_pad: flag.default(false),
  do_rescale: flag.default(true),
  do_normalize: flag.default(true),
  image_mean: triple.optional(),
  image_std: positiveTriple.optional(),
  resample: z
    .int('one of PIL’s filters, 0 to 5')
    .min(0, 'one of PIL’s filters, 0 to 5')
    .max(5, 'one of PIL’s filters, 0 to 5')
    .optional(),
  rescale_factor: scale.default(1 / 255),
  size: sizeForms.optional(),
  crop_size: z.union([positiveInt, pairOfSides, box], 'an integer or {height, width}').optional(),
});
export type PreprocessorConfig = z.infer<typeof preprocessorSchema>;

/** The `processor_config.json` of transformers 5, where images and texts are prepared together. */
export const processorSchema = z.object({ image_processor: preprocessorSchema });

/** PIL's resampling filters in the order of their codes. */
const filters = [
  'nearest',
  'lanczos',
  'bilinear',
  'bicubic',
  'box',
  'hamming',
] as const satisfies Interpolation[];

const half = [0.5, 0.5, 0.5] as const;

/** What a class of processors does where its file does not say. */
interface ProcessorDefaults {
  readonly size: number;
  /** One number is the length of the shorter edge, not of both. */
  readonly keepsRatio: boolean;
  readonly crops: boolean;
  readonly resample: number;
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

const vit: ProcessorDefaults = {
  size: 224,
  keepsRatio: false,
  crops: false,
  resample: 2,
  mean: half,
  std: half,
};
const clip: ProcessorDefaults = {
  size: 224,
  keepsRatio: true,
  crops: true,
  resample: 3,
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
};

/** The defaults of transformers' classes; the cut of those that crop is of 224 pixels. */
const processors = {
  ViT: vit,
  DeiT: { ...vit, size: 256, crops: true, resample: 3 },
  Bit: clip,
  CLIP: clip,
  ChineseCLIP: clip,
  Siglip: { ...vit, resample: 3 },
} as const satisfies Readonly<Record<string, ProcessorDefaults>>;
const cropDefault = 224;

export type ProcessorName = keyof typeof processors;

type Size = readonly [height: number, width: number];

interface ModelInput {
  /** Height and width that the weights are made for. */
  readonly imageSize: Size;
  /** The model takes images of another size, too. */
  readonly interpolates: boolean;
  /** The processor of such models; files of old releases do not name theirs. */
  readonly processor: ProcessorName;
  /** The preprocessor's file, for messages. */
  readonly path: string;
}

type Geometry = Pick<Preprocessing, 'imageSize' | 'cropPct' | 'cropMode' | 'cropRounding'>;
type Refuse = (field: string, feature: string, expected: string, received: unknown) => CheckpointError;

/**
 * How the processor makes images, in timm's terms.
 * @throws CheckpointError naming a feature that is missing here, or when the images are of another size than the
 *   model takes
 */
export function readPreprocessor(config: PreprocessorConfig, input: ModelInput): Preprocessing {
  const { path } = input;
  const refuse: Refuse = (field, feature, expected, received) =>
    unsupported(feature, { where: `${path}: ${field}`, expected, received: JSON.stringify(received) });
  const defaults = defaultsOf(config, input, refuse);
  if (config.do_pad) throw refuse('do_pad', 'images padded to a size', 'false', true);
  const geometry = readGeometry(config, { defaults, own: input.imageSize, refuse });
  checkSize(geometry.imageSize, input);
  const factor = 255 * (config.do_rescale ? config.rescale_factor : 1);
  const range = Math.abs(factor - 1) < 1e-6 ? 1 : factor;
  const scaled = ([r, g, b]: readonly [number, number, number]) => [r / range, g / range, b / range] as const;
  return {
    ...geometry,
    interpolation: filters[config.resample ?? defaults.resample]!,
    // Numbers of the processor are of its own rescaled values, ours of values from 0 to 1.
    mean: config.do_normalize ? scaled(config.image_mean ?? defaults.mean) : [0, 0, 0],
    std: scaled(config.do_normalize ? (config.image_std ?? defaults.std) : [1, 1, 1]),
  };
}

function defaultsOf(config: PreprocessorConfig, input: ModelInput, refuse: Refuse): ProcessorDefaults {
  const field = config.image_processor_type === undefined ? 'feature_extractor_type' : 'image_processor_type';
  const type = config[field];
  if (type === undefined) return processors[input.processor];
  const [, name = ''] = /^(.+?)(?:ImageProcessor(?:Fast|Pil)?|FeatureExtractor)$/.exec(type) ?? [];
  if (Object.hasOwn(processors, name)) return processors[name as ProcessorName];
  const known = Object.keys(processors).map((each) => `${each}ImageProcessor`);
  throw refuse(field, `images prepared by ${type}`, `one of ${known.join(', ')}`, type);
}

function readGeometry(
  config: PreprocessorConfig,
  {
    defaults,
    own,
    refuse,
  }: { readonly defaults: ProcessorDefaults; readonly own: Size; readonly refuse: Refuse },
): Geometry {
  const cropped =
    (config.do_center_crop ?? defaults.crops) ? pair(config.crop_size ?? cropDefault) : undefined;
  if (!config.do_resize) {
    return cropped === undefined
      ? { imageSize: own, cropPct: 1, cropMode: 'exact' }
      : { imageSize: cropped, cropPct: 1, cropMode: 'crop', cropRounding: 'down' };
  }
  const size = config.size ?? defaults.size;
  if (typeof size === 'number')
    return defaults.keepsRatio ? keptRatio(size, cropped, refuse) : squashed([size, size], cropped, refuse);
  if (isBox(size)) return squashed(pair(size), cropped, refuse);
  const { shortest_edge: edge, ...others } = size;
  if (edge !== undefined && Object.keys(others).length === 0) return keptRatio(edge, cropped, refuse);
  throw refuse(
    'size',
    `a size by ${Object.keys(size).join(' and ')}`,
    '{height, width} or {shortest_edge}',
    size,
  );
}

function keptRatio(edge: number, cropped: Size | undefined, refuse: Refuse): Geometry {
  if (cropped === undefined)
    throw refuse('size', 'images of any shape', 'a size with {height, width}, or a centre crop', {
      shortest_edge: edge,
    });
  const [height, width] = cropped;
  const share = cropPct(Math.min(height, width), edge, refuse);
  if (Math.max(height, width) > edge) refuseLarger(edge, Math.max(height, width), refuse);
  return {
    imageSize: cropped,
    cropPct: share,
    ...(height !== width && { cropMode: 'shortest' }),
    cropRounding: 'down',
  };
}

function squashed(size: Size, cropped: Size | undefined, refuse: Refuse): Geometry {
  if (cropped === undefined || sameSize(cropped, size))
    return { imageSize: size, cropPct: 1, cropMode: 'squash' };
  const shares = cropped.map((side, i) => cropPct(side, size[i]!, refuse));
  // One share must give both sides before the crop, whole pixels as they are.
  const share = shares.find((each) => cropped.every((side, i) => Math.floor(side / each) === size[i]));
  if (share === undefined)
    throw refuse('crop_size', 'a crop of another shape than the image', `the shape of ${size.join('×')}`, {
      height: cropped[0],
      width: cropped[1],
    });
  return { imageSize: cropped, cropPct: share, cropMode: 'squash', cropRounding: 'down' };
}

/** The share for which `floor(side / share)` is the size before the crop. */
function cropPct(side: number, before: number, refuse: Refuse): number {
  if (side > before) refuseLarger(before, side, refuse);
  const share = side / before;
  return Math.floor(side / share) === before ? share : side / (before + 0.5);
}

function refuseLarger(before: number, side: number, refuse: Refuse): never {
  throw refuse('crop_size', 'a crop that is larger than the image', `at most ${before}`, side);
}

const sameSize = (a: Size, b: Size) => a[0] === b[0] && a[1] === b[1];

function checkSize(made: Size, { imageSize, interpolates, path }: ModelInput): void {
  if (interpolates || sameSize(made, imageSize)) return;
  throw new CheckpointError('The preprocessor makes images of another size than the model takes.', {
    where: `${path}: size`,
    expected: imageSize.join('×'),
    received: made.join('×'),
    fix: 'Use the preprocessor_config.json that belongs to this checkpoint.',
  });
}

interface Box {
  readonly height: number;
  readonly width: number;
}

const isBox = (size: object): size is Box =>
  'height' in size && 'width' in size && Object.keys(size).length === 2;

function pair(value: number | Box): Size {
  return typeof value === 'number' ? [value, value] : [value.height, value.width];
}
