/**
 * p-values adjusted for being several, after Holm: comparing them with α keeps the chance of a single false alarm
 * among all of them below α, however they depend on each other. Source: Holm, "A simple sequentially rejective
 * multiple test procedure" (1979).
 * @returns in the order given, each in [0, 1]
 */
export function holm(pValues: readonly number[]): number[] {
  const order = pValues.map((_, i) => i).toSorted((a, b) => pValues[a]! - pValues[b]!);
  const adjusted = new Array<number>(pValues.length);
  let largest = 0;
  for (const [rank, index] of order.entries()) {
    largest = Math.max(largest, Math.min(1, pValues[index]! * (pValues.length - rank)));
    adjusted[index] = largest;
  }
  return adjusted;
}
