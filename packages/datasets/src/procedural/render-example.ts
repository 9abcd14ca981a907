import { randomStream, type SplitName } from '@kora-bench/core';
import type { View } from './canvas.js';
import type { ProceduralFamily, RenderedImage } from './family.js';

/** Which picture of a procedural data set; together with the family and the view it fixes every byte. */
export interface ProceduralExample {
  readonly dataset: string;
  readonly seed: number;
  readonly split: SplitName;
  /** Its class; 0 for depth. */
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
