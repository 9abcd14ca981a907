/**
 * How far a series moves by itself from one measurement to the next, relative: the third quartile plus three
 * interquartile ranges of the changes between neighbours over the last 30, the rule that rustc-perf judges by.
 * @param values in order of time, positive
 * @param fewest changes that are needed; null below
 */
export function seriesNoise(values: readonly number[], fewest = 10): number | null {
  const changes = values
    .slice(-31)
    .flatMap((value, i, all) => (i === 0 ? [] : [Math.abs(value / all[i - 1]! - 1)]))
    .filter(Number.isFinite);
  if (changes.length < fewest) return null;
  const [lower, upper] = [quantile(changes, 0.25), quantile(changes, 0.75)];
  return upper + 3 * (upper - lower);
}

/**
 * The noise that measurements of two sides show by themselves, made by turns: the larger of either side's. Null where
 * they are too few to tell.
 * @param base in order of time, positive
 * @param head likewise
 */
export function noiseByTurns(base: readonly number[], head: readonly number[]): number | null {
  // Fewer measurements cannot reach p < 0.01 either.
  const [a, b] = [seriesNoise(base, 4), seriesNoise(head, 4)];
  return a === null || b === null ? null : Math.max(a, b);
}

/** By linear interpolation between the order statistics, as NumPy does by default. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const below = sorted[Math.floor(at)]!;
  return below + (at - Math.floor(at)) * (sorted[Math.ceil(at)]! - below);
}

export const median = (values: readonly number[]) => quantile(values, 0.5);
