/*
 * Series over time as data. The page has an index of all lines, and loads the values of one series, with all its
 * measures and seeds, when a line of it is drawn.
 */

/** How a measure is shown. */
export interface SeriesMeasure {
  readonly title: string;
  readonly unit: string;
  readonly direction: 'higher' | 'lower';
  /** Values are multiplied by it to be shown. */
  readonly scale: number;
  readonly digits: number;
  readonly gating: boolean;
}

/** One configuration on one machine. */
export interface SeriesName {
  /** Names the part that has its values. */
  readonly part: string;
  /** With model and engine. */
  readonly name: string;
  /** Of its method. */
  readonly label: string;
  /** The machine, in words. */
  readonly machine: string;
  /** Digest of its settings. */
  readonly configuration: string;
  readonly measures: Readonly<Record<string, SeriesMeasure>>;
}

/** One measure of one series with one seed. */
export interface SeriesLine {
  /** For links: `<part>.<measure>.<seed>`. */
  readonly id: string;
  /** Place in `series`. */
  readonly series: number;
  readonly measure: string;
  readonly seed: number;
  readonly points: number;
  readonly last: number;
  readonly lastDate: string;
  readonly shifts: number;
  /** Whether the newest shift made it better. */
  readonly lastShift: 'better' | 'worse' | null;
  readonly drifts: boolean;
}

export interface SeriesIndex {
  readonly series: readonly SeriesName[];
  readonly lines: readonly SeriesLine[];
}

export interface SeriesEntry {
  readonly date: string;
  readonly commit: string | null;
  readonly dirty: boolean | null;
  readonly run: string;
  /** Place in `versions`. */
  readonly versions: number;
}

/** The values of one line, and what its shifts are. */
export interface SeriesValues {
  /** Places in `entries`, in order of time. */
  readonly at: readonly number[];
  readonly values: readonly number[];
  /** Stretches on one level, by places in `values`. */
  readonly segments: readonly (readonly [start: number, end: number, level: number])[];
  readonly outliers: readonly number[];
  /** Relative change of a steady drift; null for none. */
  readonly drift: number | null;
  /** How far it moves by itself, relative; null where it is too short to tell. */
  readonly noise: number | null;
}

/** What is loaded for a series. */
export interface SeriesPart {
  readonly entries: readonly SeriesEntry[];
  readonly versions: readonly Readonly<Record<string, string>>[];
  /** What was set, by path. */
  readonly settings: Readonly<Record<string, string>> | null;
  readonly marks: readonly {
    readonly commit: string;
    readonly measure: string | null;
    readonly text: string;
    readonly by: string;
  }[];
  /** By id of the line. */
  readonly lines: Readonly<Record<string, SeriesValues>>;
}
