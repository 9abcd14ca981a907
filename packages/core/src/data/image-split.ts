import type { TargetKind, Targets } from './targets.js';

/** Pillow's resampling filters, antialiased where an image shrinks, but for `nearest`. */
export const interpolations = ['nearest', 'box', 'bilinear', 'hamming', 'bicubic', 'lanczos'] as const;
export type Interpolation = (typeof interpolations)[number];

export const cropModes = ['center', 'squash', 'shortest', 'crop', 'exact'] as const;
export type CropMode = (typeof cropModes)[number];

/**
 * How an image becomes the model's input. It belongs to a checkpoint and travels with it
 * (timm's `pretrained_cfg`): another normalisation can cost a frozen backbone most of its accuracy.
 */
export interface Preprocessing {
  /** Input height and width in pixels. */
  readonly imageSize: readonly [height: number, width: number];
  readonly interpolation: Interpolation;
  /**
   * The image's shorter side is resized to `floor(size / cropPct)` and the centre cropped, as timm's
   * evaluation transform does. 1 means resize only.
   */
  readonly cropPct: number;
  /**
   * How an image gets its size. Absent: `center`, which keeps proportions so that the image covers the crop.
   * - `squash`: each side is resized to `floor(size / cropPct)` by itself, as timm's `crop_mode` has it.
   * - `shortest`: the image's shorter side is resized to `floor(size / cropPct)` of the input's shorter side, whatever
   *   the input's shape, as transformers' `shortest_edge` has it. The same as `center` where the input is square.
   * - `crop`: nothing is resized; the centre is cropped, and what is missing is black.
   * - `exact`: nothing is resized, and images of another size are errors.
   */
  readonly cropMode?: CropMode;
  /**
   * `down`: where an odd number of rows or columns is cut off, the smaller half goes at the top or left, as in
   * transformers. Absent: half of the number is rounded to even, as in torchvision.
   */
  readonly cropRounding?: 'down';
  /** Per-channel RGB mean and standard deviation of values scaled to [0, 1]. */
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

/**
 * `train` is learnt from, `val` is for choices (learning rates, options), `test` is what results are
 * reported on.
 */
export type SplitName = 'train' | 'val' | 'test';

/** Pixels of a few examples after resize and crop, before augmentation and normalisation. */
export interface PixelBatch {
  /** RGB bytes `[B, H, W, 3]`. */
  readonly pixels: Uint8Array;
  /** Class indices `[B, H, W]`, −1 where no class is known; with splits that have masks. */
  readonly mask?: Int32Array;
  /** Metres `[B, H, W]`, 0 where not measured; with splits that have depth. */
  readonly depth?: Float32Array;
}

/** Random access to the decoded, resized examples of one split. */
export interface PixelReader {
  /** Reads examples in the order of `indices`. Safe to call again before the last call resolved. */
  read(indices: readonly number[]): Promise<PixelBatch>;
  close(): Promise<void>;
}

/** One split of a data set: targets per image and identity at once, pixels and targets per pixel on request. */
export interface ImageSplit {
  /** Registered name of the data set, e.g. `tiny-imagenet`. */
  readonly dataset: string;
  readonly split: SplitName;
  readonly length: number;
  readonly targets: Targets;
  /** Path of each example inside the data set, `/` separated, in directory order. */
  readonly paths: readonly string[];
  /** A digest (hex) of everything that determines pixels and targets; the key of caches. */
  readonly fingerprint: string;
  /** What a reader of results must know, e.g. that a backbone has very likely seen these images. */
  readonly notes: readonly string[];
  /**
   * SHA-256 (hex) of the stored bytes of the examples `indices`, by default of all in order, to find the
   * same image in two splits.
   */
  contentHashes(indices?: readonly number[]): Promise<readonly string[]>;
  /** Opens the pixels as `preprocessing` asks for them. */
  open(preprocessing: Preprocessing): Promise<PixelReader>;
}

export interface ImageDataset {
  readonly name: string;
  readonly train: ImageSplit;
  /** Absent where the data set defines none; it is then carved out of `train` by a fixed seed. */
  readonly val?: ImageSplit;
  readonly test: ImageSplit;
}

/** Where data and caches are. */
export interface DataContext {
  /** The folder of downloaded data sets and models (`KORA_DATA_DIR`). */
  readonly dataDir: string;
  /** A writable folder for decoded images and features. */
  readonly cacheDir: string;
}

export interface DatasetCheck {
  readonly ok: boolean;
  /** What was found: counts, sizes, checksums. */
  readonly details: readonly string[];
  /** What is wrong, with the fix. */
  readonly problems: readonly string[];
}

/** What a data set package registers. */
export interface DatasetDefinition {
  readonly name: string;
  /** The kinds of targets that its splits have. */
  readonly targets: readonly TargetKind[];
  /** Classes of its labels or masks; 0 where it has neither. */
  readonly classes: number;
  readonly description: string;
  /** Needs no download: generated from a seed. */
  readonly embedded: boolean;
  /** What to download and where to put it, for the error on missing data; empty if embedded. */
  readonly howToGet: string;
  /** @throws MissingDataError | FormatError */
  open(context: DataContext): Promise<ImageDataset>;
  verify(context: DataContext): Promise<DatasetCheck>;
}
