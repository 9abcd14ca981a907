import type { Cell } from '../records/record-schema.js';

/** What cells have in common that take about equally long. */
export function kindOf({ id: _, seed: __, learningRate: ___, ...common }: Cell): string {
  return JSON.stringify(common);
}

/** How long cells take beside each other. */
export interface Expectation {
  /** By cell id. */
  readonly byCell: Readonly<Record<string, number>>;
  /** Whether they were measured in seconds; else they are in proportion alone. */
  readonly inSeconds: boolean;
}

/**
 * How long a run still takes: by what was expected of its cells, corrected by how long those took that are done.
 */
export class RunClock {
  readonly #expected: Expectation;
  readonly #now: () => number;
  readonly #left: Map<string, Cell>;
  readonly #done: { readonly kind: string; readonly expected: number; readonly seconds: number }[] = [];
  #running: { readonly id: string; readonly since: number } | undefined;

  /**
   * @param cells those to be run
   * @param expected all alike where nothing is known
   * @param now milliseconds of a clock that never goes back
   */
  constructor(
    cells: readonly Cell[],
    expected: Expectation = { byCell: {}, inSeconds: false },
    now: () => number = () => performance.now(),
  ) {
    this.#left = new Map(cells.map((cell) => [cell.id, cell]));
    this.#expected = expected;
    this.#now = now;
  }

  started({ id }: Pick<Cell, 'id'>): void {
    this.#running = { id, since: this.#now() };
  }

  /** @param counts false for a cell that failed: how long it took says nothing of others */
  ended(counts: boolean): void {
    if (this.#running === undefined) return;
    const { id, since } = this.#running;
    const cell = this.#left.get(id);
    this.#running = undefined;
    if (cell === undefined) return;
    this.#left.delete(id);
    if (counts)
      this.#done.push({
        kind: kindOf(cell),
        expected: this.#expectedOf(cell),
        seconds: (this.#now() - since) / 1000,
      });
  }

  /** Seconds until the last cell ends; undefined when there is nothing to go by yet. */
  secondsLeft(): number | undefined {
    if (!this.#expected.inSeconds && this.#done.length === 0) return undefined;
    let left = 0;
    for (const cell of this.#left.values()) {
      const whole = this.#expectedOf(cell) * this.#factor(kindOf(cell));
      const spent = this.#running?.id === cell.id ? (this.#now() - this.#running.since) / 1000 : 0;
      left += Math.max(0, whole - spent);
    }
    return left;
  }

  #expectedOf({ id }: Cell): number {
    return this.#expected.byCell[id] ?? 1;
  }

  /** By how much cells of a kind took longer than expected; all that are done speak for a kind that none is of. */
  #factor(kind: string): number {
    const same = this.#done.filter((one) => one.kind === kind);
    const tellers = same.length > 0 ? same : this.#done;
    const sum = (of: (one: (typeof tellers)[number]) => number) =>
      tellers.reduce((total, one) => total + of(one), 0);
    const expected = sum((one) => one.expected);
    return tellers.length === 0 || expected === 0 ? 1 : sum((one) => one.seconds) / expected;
  }
}
