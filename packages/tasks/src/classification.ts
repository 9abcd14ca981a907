import { requireTarget } from '@kora-bench/core/data';
import type { ExampleScores } from '@kora-bench/core/metrics';
import { ClassificationMetrics, wilsonInterval } from '@kora-bench/core/metrics';
import { crossEntropy, linear } from '@kora-bench/core/ops';
import type { Evaluator, Metric, Task } from '@kora-bench/core/training';
import { defineTask, errorMetric, shareMetric } from '@kora-bench/core/training';
import { z } from 'zod';

/** One class per image: a linear head on the pooled features, cross-entropy, accuracy and F1. */
export const classification = defineTask({
  name: 'classification',
  description:
    'One class per image: a linear head on the features, cross-entropy; accuracy, F1, calibration.',
  targets: ['label'],
  options: z.strictObject({}),
  create: ({ targets, labelSmoothing }) =>
    classificationTask(
      requireTarget(targets, 'label', 'the training split').classNames.length,
      labelSmoothing,
    ),
});

/**
 * Classification into a known number of classes.
 * @param classes outputs C of the head
 * @param labelSmoothing in [0, 1): the share of each target that is spread evenly over all classes
 */
export function classificationTask(classes: number, labelSmoothing = 0): Task {
  return {
    name: classification.name,
    metrics: classificationMetrics,
    parameters: ({ featureWidth }) => [
      { name: 'head.weight', shape: [classes, featureWidth], init: { kind: 'truncatedNormal', std: 0.02 } },
      { name: 'head.bias', shape: [classes], init: { kind: 'zeros' } },
    ],
    predict: ({ features }, _model, parameter) =>
      linear(features, parameter('head.weight'), parameter('head.bias')),
    targets: (_model, batch) => [{ kind: 'label', shape: [batch], dtype: 'i32' }],
    loss: (logits, { label }) => crossEntropy(logits, label!, labelSmoothing),
    evaluator: () => classificationEvaluator(classes),
  };
}

const classificationMetrics: readonly Metric[] = [
  shareMetric({
    key: 'top1',
    label: 'top-1',
    description: 'Share of images whose largest logit is the label’s.',
    interval: 'wilson',
    primary: true,
    shown: 'table',
    scores: { score: 'correct', pooledAs: 'mean' },
  }),
  errorMetric({
    key: 'macroF1',
    label: 'macro F1',
    description: 'Mean F1 over the classes that occur as label or prediction (scikit-learn).',
    direction: 'higher',
    range: [0, 1],
    shown: 'table',
    scores: { score: 'correct', pooledAs: 'related' },
  }),
  shareMetric({
    key: 'top5',
    label: 'top-5',
    description: 'Share of images whose label is among the five largest logits; none for 5 classes or fewer.',
  }),
  errorMetric({
    key: 'weightedF1',
    label: 'weighted F1',
    description: 'Mean F1 weighted by each class’s number of images (scikit-learn).',
    direction: 'higher',
    range: [0, 1],
    scores: { score: 'correct', pooledAs: 'related' },
  }),
  errorMetric({
    key: 'expectedCalibrationError',
    label: 'ECE',
    description: 'Expected calibration error over 15 bins of confidence (Guo et al. 2017).',
    range: [0, 1],
  }),
  errorMetric({
    key: 'loss',
    label: 'loss',
    description: 'Mean cross-entropy, nats.',
    scores: { score: 'loss', pooledAs: 'mean' },
  }),
];

function classificationEvaluator(classes: number): Evaluator {
  const metrics = new ClassificationMetrics(classes);
  return {
    add({ prediction, targets }) {
      const labels = Int32Array.from(targets.label!.data);
      const scores = metrics.add(Float32Array.from(prediction.data), labels);
      const { predicted, loss } = scores;
      return {
        label: labels,
        predicted,
        correct: labels.map((label, i) => Number(label === predicted[i])),
        loss,
        ...topColumns(scores, labels.length),
      };
    },
    result() {
      const r = metrics.result();
      const { low, high } = wilsonInterval(Math.round(r.top1 * r.examples), r.examples);
      return {
        examples: r.examples,
        values: {
          top1: r.top1,
          macroF1: r.macroF1,
          top5: r.top5,
          weightedF1: r.weightedF1,
          expectedCalibrationError: r.expectedCalibrationError,
          loss: r.meanCrossEntropy,
        },
        intervals: { top1: [low, high] },
        chance: {
          top1: r.largestClassShare,
          ...(r.fiveLargestClassesShare !== null && { top5: r.fiveLargestClassesShare }),
        },
        details: {
          classes: r.classes,
          distinctLabels: r.distinctTrueClasses,
          distinctPredictions: r.distinctPredictedClasses,
        },
      };
    },
  };
}

/**
 * The most probable classes and their probabilities, for averages of several models: `probability` of the predicted
 * class, then `predicted2`, `probability2` and so on. Four decimals keep files of scores small.
 */
function topColumns(
  { topClasses, topProbabilities }: ExampleScores,
  examples: number,
): Readonly<Record<string, ArrayLike<number>>> {
  const kept = topClasses.length / examples;
  const columns: Record<string, ArrayLike<number>> = {};
  for (let place = 0; place < kept; place++) {
    const of = <T>(values: ArrayLike<T>) =>
      Array.from({ length: examples }, (_, i) => values[i * kept + place]!);
    if (place > 0) columns[`predicted${place + 1}`] = of(topClasses);
    columns[`probability${place === 0 ? '' : place + 1}`] = of(topProbabilities).map(
      (probability) => Math.round(probability * 1e4) / 1e4,
    );
  }
  return columns;
}
