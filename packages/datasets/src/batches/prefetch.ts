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
