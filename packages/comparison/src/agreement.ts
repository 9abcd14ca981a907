import { InputError } from '@kora-bench/core/errors';

/** What several models predicted for the same examples. */
export interface Predictions {
  /** `[examples]`. */
  readonly labels: ArrayLike<number>;
  /** One row per model, `[models][examples]`. */
  readonly predicted: readonly ArrayLike<number>[];
}

/** How two models agree. */
export interface Agreement {
  /** Share of the examples with different predictions. */
  readonly disagreement: number;
  /**
   * Cohen's kappa: agreement beyond what the models' frequencies of classes make by chance, 1 for full agreement, 0 for
   * chance; null where both give all examples one class. Source: Cohen, "A coefficient of agreement for nominal
   * scales" (1960).
   */
  readonly kappa: number | null;
}

/** @throws InputError for rows of different lengths, or none */
export function agreementOf(a: ArrayLike<number>, b: ArrayLike<number>): Agreement {
  checkLengths([a, b]);
  const n = a.length;
  const [ofA, ofB] = [new Map<number, number>(), new Map<number, number>()];
  let equal = 0;
  for (let i = 0; i < n; i++) {
    if (a[i] === b[i]) equal++;
    ofA.set(a[i]!, (ofA.get(a[i]!) ?? 0) + 1);
    ofB.set(b[i]!, (ofB.get(b[i]!) ?? 0) + 1);
  }
  let chance = 0;
  for (const [label, count] of ofA) chance += (count / n) * ((ofB.get(label) ?? 0) / n);
  return { disagreement: 1 - equal / n, kappa: chance === 1 ? null : (equal / n - chance) / (1 - chance) };
}

/** For each model the indices of the examples that it alone has right. */
export function onlyRight({ labels, predicted }: Predictions): number[][] {
  checkLengths([labels, ...predicted]);
  const found: number[][] = predicted.map(() => []);
  for (let i = 0; i < labels.length; i++) {
    const right = predicted.flatMap((row, model) => (row[i] === labels[i] ? [model] : []));
    if (right.length === 1) found[right[0]!]!.push(i);
  }
  return found;
}

/** The most probable classes of each example, the most probable first, `[examples · kept]`, row-major. */
export interface TopClasses {
  readonly classes: ArrayLike<number>;
  /** In [0, 1]. */
  readonly probabilities: ArrayLike<number>;
}

export interface AverageAccuracy {
  /** Accuracy of the class with the largest mean probability. */
  readonly accuracy: number;
  /** Share of the examples whose class is certain, whatever the probabilities that were not kept. */
  readonly certain: number;
}

/**
 * Accuracy of several models' mean probabilities. Of each model a few classes per example are known; the others have
 * at most the smallest known probability, and are taken as 0. Where that could change which class is largest, the
 * example is not certain.
 * @param labels `[examples]`
 * @param models with equally many classes kept
 */
export function averageAccuracy(labels: ArrayLike<number>, models: readonly TopClasses[]): AverageAccuracy {
  const kept = models[0]!.classes.length / labels.length;
  checkLengths(models.map(({ classes }) => classes));
  let [correct, certain] = [0, 0];
  for (let i = 0; i < labels.length; i++) {
    const rows = models.map(({ classes, probabilities }) => {
      const known = new Map<number, number>();
      for (let k = i * kept; k < (i + 1) * kept; k++)
        if (probabilities[k]! >= 0) known.set(classes[k]!, probabilities[k]!);
      const sum = [...known.values()].reduce((total, value) => total + value, 0);
      // What is left for all other classes together, and for any one of them.
      return { known, most: Math.max(0, Math.min(1 - sum, ...known.values())) };
    });
    const totals = [...new Set(rows.flatMap(({ known }) => [...known.keys()]))].map((label) => ({
      label,
      low: rows.reduce((total, { known }) => total + (known.get(label) ?? 0), 0),
      high: rows.reduce((total, { known, most }) => total + (known.get(label) ?? most), 0),
    }));
    const best = totals.reduce((a, b) => (b.low > a.low || (b.low === a.low && b.label < a.label) ? b : a));
    const unseen = rows.reduce((total, { most }) => total + most, 0);
    if (best.label === labels[i]) correct++;
    if (best.low >= unseen && totals.every((one) => one === best || one.high <= best.low)) certain++;
  }
  return { accuracy: correct / labels.length, certain: certain / labels.length };
}

function checkLengths(rows: readonly ArrayLike<number>[]): void {
  const length = rows[0]?.length ?? 0;
  if (length > 0 && rows.every((row) => row.length === length)) return;
  throw new InputError('The predictions are not of the same examples.', {
    where: 'predictions',
    expected: 'equally many for each model, at least one',
    received: rows.map((row) => row.length).join(', '),
  });
}
