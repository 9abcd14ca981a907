import type { SplitName } from '@kora-bench/core/data';
import { type RandomStream, randomStream } from '@kora-bench/core/random';
import type { View } from './canvas.js';

/** One rendered example. */
export interface RenderedImage {
  /** RGB bytes `[H, W, 3]`. */
  readonly pixels: Uint8Array;
  /** Metres along the optical axis `[H, W]`, 0 for sky; depth families only. */
  readonly depth?: Float32Array;
  /** Classes `[H, W]`; mask families only. */
  readonly mask?: Int32Array;
}

/** A family of pictures: a closed set of classes and a look that no other family has. */
export interface ProceduralFamily {
  /** What its pictures teach. */
  readonly target: 'label' | 'mask' | 'depth';
  /** Class names by label or by mask index; empty for depth. */
  readonly classNames: readonly string[];
  /** Renders an example of class `label` (0 where pictures have no label) whose every chance is drawn from `random`. */
  render(label: number, random: RandomStream, view: View): RenderedImage;
}

/** Which picture of a procedural data set; together with the family and the view it fixes every byte. */
export interface ProceduralExample {
  readonly dataset: string;
  readonly seed: number;
  readonly split: SplitName;
  /** Its class; 0 where pictures have no label. */
  readonly label: number;
  /** Its number within the class, from 0. */
  readonly number: number;
}

/** The labels of the splits' random streams: they fix every picture, so they stay as they are. */
const streams: Readonly<Record<SplitName, string>> = { train: 'train', val: 'choice', test: 'val' };

/** Renders one example from the random stream of its own. */
export function renderExample(
  family: ProceduralFamily,
  { dataset, seed, split, label, number }: ProceduralExample,
  view: View,
): RenderedImage {
  return family.render(label, randomStream(seed, `${dataset}/${streams[split]}/${label}/${number}`), view);
}
