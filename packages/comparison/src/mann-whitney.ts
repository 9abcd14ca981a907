import { normalTails } from './distributions.js';

export interface RankTest {
  /** Two-sided, in (0, 1]. */
  readonly p: number;
  /** Whether p is counted over all orders rather than approximated. */
  readonly exact: boolean;
}

/** Above this many samples together, the normal approximation takes over. */
const mostExact = 60;

/**
 * The Mann-Whitney test, two-sided: exact for small samples, with the observed ties; else the normal approximation
 * with corrections for ties and continuity. Source: Mann and Whitney, "On a test of whether one of two random
 * variables is stochastically larger than the other" (1947).
 * @param base at least one number
 * @param head at least one number
 */
export function mannWhitney(base: readonly number[], head: readonly number[]): RankTest {
  const ranks = doubledMidranks([...base, ...head]);
  const observed = ranks.slice(base.length).reduce((sum, rank) => sum + rank, 0);
  const n = ranks.length;
  const centre = head.length * (n + 1);
  const distance = Math.abs(observed - centre);
  if (n <= mostExact) {
    const ways = rankSums(ranks, head.length);
    let [far, all] = [0, 0];
    for (const [sum, count] of ways.entries()) {
      all += count;
      if (Math.abs(sum - centre) >= distance) far += count;
    }
    return { p: Math.min(1, far / all), exact: true };
  }
  const ties = [...tieSizes(ranks)].reduce((sum, size) => sum + (size ** 3 - size), 0);
  // Of the doubled rank sum: four times U's.
  const variance = ((base.length * head.length) / 3) * (n + 1 - ties / (n * (n - 1)));
  if (variance === 0) return { p: 1, exact: false };
  return { p: normalTails(Math.max(0, distance - 1) / Math.sqrt(variance)), exact: false };
}

/** The smallest p-value that samples of these sizes can reach: 2 / C(n + m, n). */
export function smallestRankP(base: number, head: number): number {
  let ways = 1;
  for (let i = 1; i <= head; i++) ways *= (base + i) / i;
  return Math.min(1, 2 / ways);
}

/** Twice the rank of each value, whole numbers, equal values sharing the mean of their ranks. */
function doubledMidranks(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).toSorted((a, b) => values[a]! - values[b]!);
  const ranks = new Array<number>(values.length);
  for (let start = 0; start < order.length; ) {
    let end = start;
    while (end < order.length && values[order[end]!] === values[order[start]!]) end++;
    for (let i = start; i < end; i++) ranks[order[i]!] = start + end + 1;
    start = end;
  }
  return ranks;
}

function* tieSizes(ranks: readonly number[]): Iterable<number> {
  const sizes = new Map<number, number>();
  for (const rank of ranks) sizes.set(rank, (sizes.get(rank) ?? 0) + 1);
  yield* sizes.values();
}

/** How many choices of `size` ranks have each sum. */
function rankSums(ranks: readonly number[], size: number): Float64Array {
  const most = ranks.reduce((sum, rank) => sum + rank, 0);
  const ways = Array.from({ length: size + 1 }, () => new Float64Array(most + 1));
  ways[0]![0] = 1;
  for (const rank of ranks)
    for (let taken = size; taken >= 1; taken--) {
      const [from, to] = [ways[taken - 1]!, ways[taken]!];
      for (let sum = most; sum >= rank; sum--) to[sum]! += from[sum - rank]!;
    }
  return ways[size]!;
}

/** A ratio head / base with its interval. */
export interface RatioEstimate {
  readonly ratio: number;
  /** Null where the samples are too few for one of this level. */
  readonly interval: readonly [low: number, high: number] | null;
}

/**
 * How many times larger the head's values are: the Hodges-Lehmann estimate on the logarithms, the median of all
 * pairs' ratios, with the interval that belongs to the Mann-Whitney test. Source: Hodges and Lehmann, "Estimates of
 * location based on rank tests" (1963).
 * @param base positive numbers, at least one
 * @param head positive numbers, at least one
 */
export function ratioOf(base: readonly number[], head: readonly number[], level = 0.95): RatioEstimate {
  const ratios = head.flatMap((h) => base.map((b) => h / b)).toSorted((a, b) => a - b);
  const outside = pairsOutside(base.length, head.length, 1 - level);
  const last = ratios.length - 1;
  return {
    ratio: Math.sqrt(ratios[Math.floor(last / 2)]! * ratios[Math.ceil(last / 2)]!),
    interval: outside === null ? null : [ratios[outside]!, ratios[last - outside]!],
  };
}

/** How many pairs may lie on either side of an interval; null where even none is too many. */
function pairsOutside(base: number, head: number, alpha: number): number | null {
  const n = base + head;
  if (n > mostExact) {
    const deviation = Math.sqrt((base * head * (n + 1)) / 12);
    let outside = 0;
    while (normalTails(((base * head) / 2 - outside - 0.5) / deviation) <= alpha) outside++;
    return outside === 0 ? null : outside - 1;
  }
  const ways = rankSums(
    Array.from({ length: n }, (_, i) => i + 1),
    head,
  );
  const all = ways.reduce((sum, count) => sum + count, 0);
  let below = 0;
  for (let u = 0; ; u++) {
    below += ways[u + (head * (head + 1)) / 2]!;
    if ((2 * below) / all > alpha) return u === 0 ? null : u - 1;
  }
}
