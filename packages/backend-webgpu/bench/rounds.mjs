/** Seconds that `work` takes until its promise resolves. */
export async function seconds(work) {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/**
 * Times several sides in turn, so that what else the machine does meets all of them alike.
 * @param sides by name, a function that returns a promise of the seconds of one round
 * @returns by name, the median over all rounds
 */
export async function alternate(sides, rounds) {
  const names = Object.keys(sides);
  const times = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const name of names) times[name].push(await sides[name]());
  }
  return Object.fromEntries(names.map((name) => [name, median(times[name])]));
}

/** The middle value, or the mean of the two middle ones. */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}
