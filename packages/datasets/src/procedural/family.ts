import type { RandomStream } from '@kora-bench/core';
import type { View } from './canvas.js';

/** One rendered example. */
export interface RenderedImage {
  /** RGB bytes `[H, W, 3]`. */
  readonly pixels: Uint8Array;
  /** Metres along the optical axis `[H, W]`, 0 for sky; depth families only. */
  readonly depth?: Float32Array;
}

/** A family of pictures: a closed set of classes and a look that no other family has. */
export interface ProceduralFamily {
  /** Class names by label; empty for depth. */
  readonly classNames: readonly string[];
  /** Renders an example of class `label` (0 for depth) whose every chance is drawn from `random`. */
  render(label: number, random: RandomStream, view: View): RenderedImage;
}
