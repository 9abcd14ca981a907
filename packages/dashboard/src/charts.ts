/*
 * Charts as data. A page has one in each `<figure class="chart">`, as JSON in a script of the type application/json;
 * the page's script draws it. Values are in the units that are shown.
 */

/** Something that is drawn, and told from the others by its colour. */
export interface Named {
  readonly label: string;
  /** Place on the page, for the colour: the same in every chart. */
  readonly index: number;
}

export interface ScoreAxis {
  /** With the unit, e.g. `top-1 %`. */
  readonly title: string;
  readonly direction: 'higher' | 'lower';
  /** Decimals. */
  readonly digits: number;
}

/** Scores below each other: the mean, its interval, and every single measurement. */
export interface IntervalsChart {
  readonly kind: 'intervals';
  readonly axis: ScoreAxis;
  readonly points: readonly (Named & {
    readonly score: number;
    readonly interval: readonly [low: number, high: number] | null;
    /** What the score is the mean of. */
    readonly measurements: readonly number[];
    /** Drawn as a ring: what is shown may be chance. */
    readonly hollow?: boolean;
  })[];
  /** A dashed line with its name, e.g. at what guessing scores. */
  readonly line?: { readonly value: number; readonly label: string };
}

/** A cost that scores can be drawn against. */
export interface CostAxis {
  readonly key: string;
  /** On its button, e.g. `memory`. */
  readonly name: string;
  /** Of the axis, with the unit. */
  readonly title: string;
  readonly scale: 'log' | 'linear';
}

/** Scores over a cost, with the front of those that no other beats in both. */
export interface ParetoChart {
  readonly kind: 'pareto';
  readonly axis: ScoreAxis;
  readonly costs: readonly CostAxis[];
  readonly points: readonly (Named & {
    readonly score: number;
    readonly interval: readonly [low: number, high: number] | null;
    /** By key; a point without one is left out of that chart. */
    readonly costs: Readonly<Record<string, number>>;
  })[];
}

/** Lines with the shade from the least to the most of what each is the mean of. */
export interface CurvesChart {
  readonly kind: 'curves';
  readonly x: string;
  readonly y: string;
  /** Of the axis x; linear by default. */
  readonly xScale?: 'log';
  /** Whether a value holds up to the next point; lines go straight there by default. */
  readonly steps?: boolean;
  readonly curves: readonly (Named & {
    readonly points: readonly (readonly [x: number, mean: number, least: number, most: number])[];
  })[];
}

/** Numbers between things of the same names in rows and columns. */
export interface HeatmapChart {
  readonly kind: 'heatmap';
  readonly names: readonly string[];
  /** What columns are, and rows too unless `rowAxis` says otherwise. */
  readonly axis: string;
  readonly rowAxis?: string;
  /** Null stays empty. */
  readonly matrix: readonly (readonly (number | null)[])[];
  /** The value of the darkest colour. */
  readonly most: number;
  /** Whether values below 0 have a colour of their own, darkest at −`most`. */
  readonly diverging?: boolean;
}

export type Chart = IntervalsChart | ParetoChart | CurvesChart | HeatmapChart;
