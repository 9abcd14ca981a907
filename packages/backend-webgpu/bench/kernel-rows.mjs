/**
 * Sums kernels by label.
 * @param kernels `{ label, nanoseconds, flops, bytes }`, one per dispatch
 * @param limits the best rates that this device was seen to reach, `{ flops, bytes }` per second
 * @returns rows, the slowest first: `share` of the total time, rates per second, and `ofLimit`, the time that
 *   the nearer of the two limits would allow over the time that was taken
 */
export function kernelRows(kernels, limits) {
  const sums = new Map();
  for (const { label, nanoseconds, flops, bytes } of kernels) {
    const sum = sums.get(label) ?? { label, count: 0, seconds: 0, flops: 0, bytes: 0 };
    sum.count++;
    sum.seconds += nanoseconds / 1e9;
    sum.flops += flops;
    sum.bytes += bytes;
    sums.set(label, sum);
  }
  const total = [...sums.values()].reduce((all, { seconds }) => all + seconds, 0);
  return [...sums.values()]
    .sort((a, b) => b.seconds - a.seconds)
    .map((row) => ({
      ...row,
      share: row.seconds / total,
      flopsPerSecond: row.flops / row.seconds,
      bytesPerSecond: row.bytes / row.seconds,
      ofLimit: Math.max(row.flops / limits.flops, row.bytes / limits.bytes) / row.seconds,
    }));
}
