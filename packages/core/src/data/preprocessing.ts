/**
 * How an image becomes the model's input. It belongs to a checkpoint and travels with it
 * (timm's `pretrained_cfg`): another normalisation can cost a frozen backbone most of its accuracy.
 */
export interface Preprocessing {
  /** Input height and width in pixels. */
  readonly imageSize: readonly [height: number, width: number];
  readonly interpolation: 'bicubic' | 'bilinear';
  /**
   * The image's shorter side is resized to `floor(size / cropPct)` and the centre cropped, as timm's
   * evaluation transform does. 1 means resize only.
   */
  readonly cropPct: number;
  /** Per-channel RGB mean and standard deviation of values scaled to [0, 1]. */
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}
