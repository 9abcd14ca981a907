import type { Estimate } from './summary-row.js';

/** What stands where there is no value. */
export const absent = 'n/a';

/** A share in [0, 1] as a percentage without its sign. */
export function percent(share: number, digits = 1): string {
  return (100 * share).toFixed(digits);
}

/** `61.2\n[59.8, 62.6]` for one seed, `61.2\n± 1.4` for several; n/a for no value. */
export function estimateText(
  estimate: Estimate | null | undefined,
  format: (value: number) => string,
  seeds: number,
): string {
  if (estimate === null || estimate === undefined) return absent;
  const { value, interval } = estimate;
  if (interval === null) return format(value);
  const [low, high] = interval;
  return seeds > 1
    ? `${format(value)}\n± ${format((high - low) / 2)}`
    : `${format(value)}\n[${format(low)}, ${format(high)}]`;
}

/** Bytes in MB, 10^6. */
export function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}
