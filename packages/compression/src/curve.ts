import { InputError } from '@kora-bench/core/errors';

/** What a form reaches with its bytes. */
export interface CurvePoint {
  readonly bytes: number;
  /** Of the metric. */
  readonly value: number;
}

export type Direction = 'higher' | 'lower';

const isBetter = (a: number, b: number, direction: Direction) => (direction === 'higher' ? a > b : a < b);

/** The points that are better than all that take no more bytes, by rising bytes (the Pareto front). */
export function frontOf<Point extends CurvePoint>(points: readonly Point[], direction: Direction): Point[] {
  const sign = direction === 'higher' ? -1 : 1;
  const ordered = points.toSorted((a, b) => a.bytes - b.bytes || sign * (a.value - b.value));
  const front: Point[] = [];
  for (const point of ordered) {
    const last = front.at(-1);
    if (last === undefined || isBetter(point.value, last.value, direction)) front.push(point);
  }
  return front;
}

/** The best value that at most so many bytes give; undefined where every point takes more. */
export function valueWithin(
  points: readonly CurvePoint[],
  bytes: number,
  direction: Direction,
): number | undefined {
  return frontOf(points, direction).findLast((point) => point.bytes <= bytes)?.value;
}

/** The smallest point that is at least as good as `target`, of equal ones the better; undefined where there is none. */
export function smallestReaching<Point extends CurvePoint>(
  points: readonly Point[],
  target: number,
  direction: Direction,
): Point | undefined {
  // A target is a difference of two metrics, which rounding may leave a little beyond one of them.
  const slack = 1e-9 * Math.max(1, Math.abs(target)) * (direction === 'higher' ? -1 : 1);
  return frontOf(points, direction).find(({ value }) => !isBetter(target + slack, value, direction));
}

export interface AreaSpec {
  readonly direction: Direction;
  /** Bytes, above 0. */
  readonly from: number;
  /** Bytes, from `from`. */
  readonly to: number;
}

/**
 * The area under the front over the logarithm of bytes, divided by its width: the mean of what at most b bytes give, where
 * b is spread evenly over the orders of magnitude from `from` to `to`. Exact, since the front is a step function.
 * @throws InputError for a range that is none, or points that all take more than `from` bytes
 */
export function areaUnderFront(points: readonly CurvePoint[], { direction, from, to }: AreaSpec): number {
  if (!(from > 0 && to >= from && Number.isFinite(to))) {
    throw new InputError('The range of an area is not valid.', {
      where: 'from, to',
      expected: '0 < from ≤ to',
      received: `${from} to ${to}`,
      fix: 'Give two numbers of bytes, the smaller one first.',
    });
  }
  const start = valueWithin(points, from, direction);
  if (start === undefined) {
    throw new InputError('The curve begins behind the range of its area.', {
      where: 'from',
      expected: `at least ${Math.min(...points.map(({ bytes }) => bytes))}, the bytes of the smallest point`,
      received: String(from),
      fix: 'Start at the smallest point, or add what no bytes at all give.',
    });
  }
  if (to === from) return start;
  let [area, at, value] = [0, from, start];
  for (const point of frontOf(points, direction)) {
    if (point.bytes <= from || point.bytes >= to) continue;
    area += value * Math.log(point.bytes / at);
    [at, value] = [point.bytes, point.value];
  }
  return (area + value * Math.log(to / at)) / Math.log(to / from);
}
