import { ckaResultSchema } from '../analyses/cka-schema.js';
import type { RunConfig } from '../config/run-config.js';
import type { DoneRecord } from '../records/record-schema.js';
import type { Content } from '../table/phase-table.js';
import { rowName } from '../table/phase-table.js';
import type { Estimate, SummaryRow } from '../table/summary-row.js';
import { estimate } from '../table/summary-row.js';
import { otherSettings } from './other-settings.js';
import type { PublishedColumn, PublishedMeasure, PublishedResults } from './published-schema.js';
import type { Remark } from './remarks.js';
import { RemarkList } from './remarks.js';

/** A published table beside the run’s own numbers, as data; the terminal, the page and Markdown render it. */
export interface PublishedTable {
  readonly title: string;
  readonly source: string;
  readonly note: string | null;
  /** In what the run is not in the published setting, in words; empty where it is. */
  readonly otherSettings: readonly string[];
  /** Titles of the further columns of a line. */
  readonly honest: readonly string[];
  readonly lines: readonly PublishedLine[];
  /** What the marks of lines stand for. */
  readonly remarks: readonly Remark[];
}

/** A published number and what the run has in its place. */
export interface PublishedLine {
  /** The title of its column. */
  readonly measure: string;
  /** The method as it is published. */
  readonly name: string;
  /** The run’s row. */
  readonly method: string;
  readonly published: string;
  readonly measured: Content;
  /** Measured less published, with its sign; null where they cannot be subtracted. */
  readonly difference: string | null;
  /** One for each of the table’s titles; empty where a column has none of that title. */
  readonly honest: readonly Content[];
  /** Marks of the table’s remarks. */
  readonly marks: readonly string[];
}

/** Published results with the rows that a run has for them. */
export function publishedTables(
  config: Pick<RunConfig, 'published' | 'phases'> | undefined,
  rows: readonly SummaryRow[],
  records: readonly DoneRecord[],
): PublishedTable[] {
  if (config === undefined || rows.length === 0) return [];
  return config.published.map((table) => tableOf(table, { config, rows, records }));
}

interface Run {
  readonly config: Pick<RunConfig, 'phases'>;
  readonly rows: readonly SummaryRow[];
  readonly records: readonly DoneRecord[];
}

/** A row of the run that a published one is of; without any where its cells failed. */
interface Counterpart {
  readonly method: string;
  readonly row: SummaryRow | undefined;
  readonly records: readonly DoneRecord[];
  readonly otherSettings: readonly string[];
}

function tableOf(table: PublishedResults, run: Run): PublishedTable {
  const { title, source, note = null, columns, rows } = table;
  const honest = [...new Set(columns.flatMap((column) => column.honest.map((one) => one.title)))];
  const remarks = new RemarkList(run.config.phases);
  const counterparts = new Map(
    rows.map(({ method }) => [method, counterpartsOf(method, table, run)] as const),
  );
  const lines = columns.flatMap((column, index) =>
    rows.flatMap(({ name, method, values }): PublishedLine[] => {
      const value = values[index];
      if (value === undefined || value === null) return [];
      return counterparts.get(method)!.map((own) => ({
        measure: column.title,
        name,
        method: own.method,
        published: value.toFixed(column.digits),
        ...compared(value, column, own),
        honest: honest.map((wanted) => honestOf(column, wanted, own)),
        marks: remarks.marksOf(column, own.records),
      }));
    }),
  );
  return {
    title,
    source,
    note,
    otherSettings: [...new Set([...counterparts.values()].flat().flatMap((own) => own.otherSettings))],
    honest,
    lines,
    remarks: remarks.all,
  };
}

function counterpartsOf(label: string, { setting }: PublishedResults, run: Run): readonly Counterpart[] {
  const own = run.rows.filter((row) => row.label === label);
  if (own.length === 0) return [{ method: label, row: undefined, records: [], otherSettings: [] }];
  return own.map((row) => {
    const records = run.records.filter(({ cell }) => row.cells.includes(cell.id));
    const settings = [...new Set(records.flatMap((record) => otherSettings(setting, record)))];
    return { method: rowName(row, run.rows), row, records, otherSettings: settings };
  });
}

function compared(
  published: number,
  { measure, digits, incomparable }: PublishedColumn,
  own: Counterpart,
): Pick<PublishedLine, 'measured' | 'difference'> {
  const measured = measuredOf(measure, own);
  const isComparable = incomparable === undefined && own.otherSettings.length === 0;
  return {
    measured: contentOf(measured, digits),
    difference:
      isComparable && measured.estimate !== null
        ? signed(measured.estimate.value * measured.scale - published, digits)
        : null,
  };
}

function honestOf(column: PublishedColumn, title: string, own: Counterpart): Content {
  const found = column.honest.find((one) => one.title === title);
  return found === undefined ? '' : contentOf(measuredOf(found.measure, own), column.digits);
}

interface Measured {
  readonly estimate: Estimate | null;
  /** Shown numbers are the estimate’s times this. */
  readonly scale: number;
  /** It does not measure what it seems to. */
  readonly struck?: boolean;
}

function measuredOf(measure: PublishedMeasure, { row, records }: Counterpart): Measured {
  if (row === undefined) return { estimate: null, scale: 1 };
  if (measure === 'share')
    return {
      estimate: { value: row.tunedShare, interval: null, deviation: null, measurements: 1 },
      scale: 100,
    };
  if ('cka' in measure) return { estimate: similarityOf(measure, records), scale: 1 };
  const score = row.scores.find(
    ({ phase, metric, evaluation }) =>
      phase === measure.phase &&
      metric.key === measure.metric &&
      (measure.evaluation === undefined || evaluation === measure.evaluation),
  );
  if (score === undefined) return { estimate: null, scale: 1 };
  return { estimate: score.estimate, scale: score.metric.format.scale, struck: score.caveat !== null };
}

/** Over the seeds, the CKA of two blocks. */
function similarityOf(
  { cka: blocks, estimate: kind }: Extract<PublishedMeasure, { readonly cka: unknown }>,
  records: readonly DoneRecord[],
): Estimate | null {
  const values = records.flatMap(({ analyses }) => {
    const found = ckaResultSchema.safeParse(analyses['cka']).data;
    const [a, b] = blocks.map((block) => found?.layers.indexOf(`blocks.${block}`) ?? -1) as [number, number];
    return found?.[kind][a]?.[b] ?? [];
  });
  return values.length === 0 ? null : estimate(values);
}

function contentOf({ estimate, scale, struck = false }: Measured, digits: number): Content {
  return { estimate, format: (value) => (value * scale).toFixed(digits), struck };
}

function signed(value: number, digits: number): string {
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return text;
  return value < 0 ? `-${text}` : `+${text}`;
}
