/** How far two sides' losses may be apart. */
export const tolerance = 1e-3;

/** The losses of a side's first steps. */
export async function firstLosses(next, steps = 5) {
  const losses = [];
  for (let i = 0; i < steps; i++) losses.push(await next());
  return losses;
}

/** NaN where one of the losses is. */
export function largestDifference(a, b) {
  return Math.max(...a.map((loss, i) => Math.abs(loss - b[i])));
}

/**
 * Runs the first steps of both sides and requires the same losses: otherwise their times compare nothing.
 * @param next by side, a function that does one step and returns a promise of its loss
 * @returns the losses by side
 * @throws Error with the losses of both sides
 */
export async function agreeingLosses(next, steps = 5) {
  const losses = {};
  for (const [name, step] of Object.entries(next)) losses[name] = await firstLosses(step, steps);
  const [[one, a], [other, b]] = Object.entries(losses);
  if (!(largestDifference(a, b) <= tolerance)) {
    throw new Error(
      `The two sides do not compute the same: losses of ${one} ${a.join(', ')}, of ${other} ${b.join(', ')}; ` +
        `expected a difference of at most ${tolerance} in each step.`,
    );
  }
  return losses;
}

/** The largest difference between elements, as a part of the largest element of `reference`. */
export function relativeDifference(values, reference) {
  let difference = 0;
  let largest = 0;
  reference.forEach((value, i) => {
    difference = Math.max(difference, Math.abs(values[i] - value));
    largest = Math.max(largest, Math.abs(value));
  });
  return difference / largest;
}

/** @throws Error when two products of the same matrices are further apart than rounding in f32 explains */
export function requireSameProduct(ours, theirs) {
  const apart = relativeDifference(ours, theirs);
  const allowed = 1e-4;
  if (!(apart <= allowed)) {
    throw new Error(`The products differ by ${apart} of the largest element; expected at most ${allowed}.`);
  }
}
