import type { Scores } from '../records/score-files.js';

/** How one class fared. */
export interface ClassResult {
  readonly label: number;
  readonly images: number;
  readonly correct: number;
  /** The class that its images were taken for most often; null where all are right. */
  readonly takenFor: { readonly label: number; readonly images: number } | null;
}

/** Every class of the scores of a classification, the worst first; null for other tasks. */
export function classResults({ columns }: Scores): ClassResult[] | null {
  const [labels, predicted] = [columns.get('label'), columns.get('predicted')];
  if (labels === undefined || predicted === undefined) return null;
  const classes = new Map<number, Map<number, number>>();
  for (const [i, label] of labels.entries()) {
    const counts = classes.get(label) ?? new Map<number, number>();
    counts.set(predicted[i]!, (counts.get(predicted[i]!) ?? 0) + 1);
    classes.set(label, counts);
  }
  return [...classes]
    .map(([label, counts]): ClassResult => {
      const images = [...counts.values()].reduce((sum, count) => sum + count, 0);
      const correct = counts.get(label) ?? 0;
      const [worst] = [...counts].filter(([one]) => one !== label).toSorted((a, b) => b[1] - a[1]);
      return {
        label,
        images,
        correct,
        takenFor: worst === undefined ? null : { label: worst[0], images: worst[1] },
      };
    })
    .toSorted((a, b) => a.correct / a.images - b.correct / b.images || b.images - a.images);
}

/** A prediction for one image. */
export interface ExamplePrediction {
  readonly path: string;
  readonly label: number;
  readonly predicted: number;
  /** Of the predicted class; null where it was not kept. */
  readonly probability: number | null;
}

export interface PredictionSamples {
  /** Spread evenly over the split: the same images for every cell. */
  readonly some: readonly ExamplePrediction[];
  /** Wrong, the surest first. */
  readonly surestMistakes: readonly ExamplePrediction[];
}

/** @returns null for tasks without one class per image */
export function predictionSamples({ paths, columns }: Scores, count = 12): PredictionSamples | null {
  const [labels, predicted] = [columns.get('label'), columns.get('predicted')];
  if (labels === undefined || predicted === undefined) return null;
  const probabilities = columns.get('probability');
  const of = (i: number): ExamplePrediction => ({
    path: paths[i]!,
    label: labels[i]!,
    predicted: predicted[i]!,
    probability: probabilities?.[i] ?? null,
  });
  const places = Array.from({ length: Math.min(count, paths.length) }, (_, i) =>
    Math.floor((i * paths.length) / Math.min(count, paths.length)),
  );
  const wrong = paths.flatMap((_, i) => (labels[i] === predicted[i] ? [] : [i]));
  return {
    some: places.map(of),
    surestMistakes:
      probabilities === undefined
        ? []
        : wrong
            .toSorted((a, b) => probabilities[b]! - probabilities[a]!)
            .slice(0, count)
            .map(of),
  };
}

/**
 * Names of classes by the folders of their images, for data that are not at hand: the part of the paths that all images
 * of a class share and that tells it from the others.
 */
export function namesFromPaths({ paths, columns }: Scores): ReadonlyMap<number, string> {
  const labels = columns.get('label');
  if (labels === undefined) return new Map();
  const parts = paths.map((path) => path.split('/').slice(0, -1));
  const depth = Math.min(...parts.map((part) => part.length));
  for (let place = depth - 1; place >= 0; place--) {
    const names = new Map<number, string>();
    const isShared = parts.every((part, i) => {
      const name = part[place]!;
      const known = names.get(labels[i]!);
      names.set(labels[i]!, known ?? name);
      return known === undefined || known === name;
    });
    if (isShared && new Set(names.values()).size === names.size && names.size > 1) return names;
  }
  return new Map();
}
