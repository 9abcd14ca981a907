import type { Task } from '@kora-bench/core';
import { constant, linear } from '@kora-bench/core';
import { classificationTask } from '@kora-bench/tasks';

/**
 * Classification whose classes are combinations of factors: the head scores each value of each factor,
 * and a class's logit is the sum of its values' scores. A model that has learnt one factor gains from it
 * at once, where a plain head of all combinations gives it hardly a gradient.
 * @param classNames factor values joined by `-`, the same number in each name
 */
export function factoredTask(classNames: readonly string[], labelSmoothing: number): Task {
  const names = classNames.map((name) => name.split('-').map((value, factor) => `${factor}:${value}`));
  const values = [...new Set(names.flat())].sort();
  const classes = classNames.length;
  const membership = new Float32Array(classes * values.length);
  for (const [label, own] of names.entries()) {
    for (const value of own) membership[label * values.length + values.indexOf(value)] = 1;
  }
  const scores = classificationTask(values.length);
  return {
    ...classificationTask(classes, labelSmoothing),
    parameters: scores.parameters,
    predict(output, model, parameter) {
      const ofValues = scores.predict(output, model, parameter);
      return linear(ofValues, constant(ofValues.builder, membership, [classes, values.length]));
    },
  };
}
