import type { ImageSplit } from '@kora-bench/core';
import { ClassificationMetrics, DepthMetrics, wilsonInterval } from '@kora-bench/core';
import type { ClassificationResult, DepthResult } from '../records/record-schema.js';
import type { CellContext } from './cell-context.js';
import type { PredictionSpec } from './predictions.js';
import { predictions } from './predictions.js';
import type { WeightStore } from './weight-store.js';

/**
 * Scores one pass over `spec.split` against several labellings of the same examples, in the order of
 * `labellings`.
 */
export async function judgeClassification(
  context: CellContext,
  weights: WeightStore,
  spec: PredictionSpec,
  labellings: readonly ImageSplit[],
): Promise<ClassificationResult[]> {
  let metrics: ClassificationMetrics[] | undefined;
  for await (const { prediction, indices } of predictions(context, weights, spec)) {
    const classes = prediction.shape[1]!;
    metrics ??= labellings.map(() => new ClassificationMetrics(classes));
    const logits = Float32Array.from(prediction.data);
    for (const [i, metric] of metrics.entries()) {
      metric.add(
        logits,
        Int32Array.from(indices, (index) => labellings[i]!.labels[index]!),
      );
    }
  }
  return (metrics ?? []).map((metric) => {
    const r = metric.result();
    return {
      examples: r.examples,
      classes: r.classes,
      distinctLabels: r.distinctTrueClasses,
      distinctPredictions: r.distinctPredictedClasses,
      top1: r.top1,
      top1Interval: asTuple(wilsonInterval(Math.round(r.top1 * r.examples), r.examples)),
      top5: r.top5,
      macroF1: r.macroF1,
      weightedF1: r.weightedF1,
      expectedCalibrationError: r.expectedCalibrationError,
      loss: r.meanCrossEntropy,
    };
  });
}

/** Scores depth over the measured pixels of `spec.split`, in metres. */
export async function judgeDepth(
  context: CellContext,
  weights: WeightStore,
  spec: PredictionSpec,
): Promise<DepthResult> {
  const metrics = new DepthMetrics();
  for await (const { prediction, depth } of predictions(context, weights, spec)) {
    const metres = Float32Array.from(prediction.data, Math.exp);
    metrics.add(metres, Float32Array.from(depth!.data.subarray(0, metres.length)));
  }
  const { rmse, absRel, delta125, scaleInvariantLogError } = metrics.result();
  return {
    examples: spec.split.length,
    rmse,
    absRel,
    delta1: delta125,
    scaleInvariantLog: scaleInvariantLogError,
  };
}

function asTuple({ low, high }: { readonly low: number; readonly high: number }): [number, number] {
  return [low, high];
}
