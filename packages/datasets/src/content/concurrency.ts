/**
 * Applies `work` to all items, at most `limit` at a time, and returns the results in their order.
 * After the first failure no further item is started; it rejects once those under way have ended.
 */
export async function mapConcurrently<T, R>(
  items: ArrayLike<T>,
  limit: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  let failed = false;
  const lane = async () => {
    while (!failed && next < items.length) {
      const index = next++;
      try {
        results[index] = await work(items[index]!, index);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const lanes = await Promise.allSettled(Array.from({ length: Math.min(limit, items.length) }, lane));
  const rejected = lanes.find((outcome) => outcome.status === 'rejected');
  if (rejected !== undefined) throw rejected.reason;
  return results;
}

/**
 * Yields `make(0) … make(count - 1)` in order, with up to `depth` results being made or waiting while
 * the consumer works on one. A failure is thrown in its turn. When the consumer stops early nothing
 * more is started, and the iterator ends once what was under way has ended.
 */
export async function* prefetch<T>(
  count: number,
  depth: number,
  make: (index: number) => Promise<T>,
): AsyncGenerator<T, void, undefined> {
  const pending: Promise<T>[] = [];
  let next = 0;
  const start = () => {
    const made = make(next++);
    // Its failure is thrown when its turn comes; until then it must not count as unhandled.
    made.catch(() => undefined);
    pending.push(made);
  };
  try {
    while (next < Math.min(depth, count)) start();
    while (pending.length > 0) {
      const item = await pending[0]!;
      pending.shift();
      if (next < count) start();
      yield item;
    }
  } finally {
    await Promise.allSettled(pending);
  }
}
