import type { Estimate } from '../table/summary-row.js';
import { estimate } from '../table/summary-row.js';
import { learningRateText } from '../table/text-table.js';
import type { CodedForm, Compressibility, MeasuredCell } from './compressibility-schema.js';

/** A method at a learning rate on a model and backend, over its seeds. */
export interface CompressedRow {
  readonly name: string;
  readonly cells: readonly [MeasuredCell, ...MeasuredCell[]];
}

/** One form of a row: means over its seeds. */
export interface RowForm {
  readonly name: string;
  readonly bytes: CodedForm['bytes'];
  readonly bitsPerParameter: number;
  /** Null where a seed has none. */
  readonly value: Estimate | null;
  readonly residualBytes: number | null;
}

/** The rows of some cells, in the cells' order. */
export function compressedRows({ cells }: Pick<Compressibility, 'cells'>): CompressedRow[] {
  const groups = new Map<string, [MeasuredCell, ...MeasuredCell[]]>();
  for (const one of cells) {
    const { label, model, backend, device, learningRate } = one.cell;
    const key = JSON.stringify([label, model, backend, device, learningRate]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [one]);
    else group.push(one);
  }
  const rows = [...groups.values()];
  return rows.map((own) => ({
    name: nameOf(
      own[0],
      rows.map(([first]) => first),
    ),
    cells: own,
  }));
}

/** The label, and whatever else tells it from the others. */
function nameOf({ cell }: MeasuredCell, all: readonly MeasuredCell[]): string {
  const engine = ({ backend, device }: MeasuredCell['cell']) => `${backend}:${device}`;
  const rate = ({ learningRate }: MeasuredCell['cell']) => `at ${learningRateText(learningRate!)}`;
  const differs = (of: (cell: MeasuredCell['cell']) => string) =>
    all.some((other) => other.cell.label === cell.label && of(other.cell) !== of(cell));
  const several = (of: (cell: MeasuredCell['cell']) => string) =>
    new Set(all.map((other) => of(other.cell))).size > 1;
  const where = [several(({ model }) => model) && cell.model, several(engine) && engine(cell)].filter(
    Boolean,
  );
  return [cell.label, where.length > 0 && `on ${where.join(', ')}`, differs(rate) && rate(cell)]
    .filter(Boolean)
    .join(' ');
}

/** The mean of something that every cell of a row has; null where one lacks it. */
export function overSeeds(
  { cells }: CompressedRow,
  of: (cell: MeasuredCell) => number | null | undefined,
  range?: readonly [number | null, number | null],
): Estimate | null {
  const values = cells.map(of).filter((value) => value !== null && value !== undefined);
  return values.length === cells.length ? estimate(values, range) : null;
}

/** Every form that all seeds of a row have, in their order. */
export function formsOf(row: CompressedRow, { range }: Compressibility['metric']): RowForm[] {
  return row.cells[0].forms.flatMap(({ name }): RowForm[] => {
    const own = row.cells.map(({ forms }) => forms.find((form) => form.name === name));
    const found = own.filter((form) => form !== undefined);
    if (found.length < own.length) return [];
    const mean = (of: (form: CodedForm) => number) =>
      found.reduce((sum, form) => sum + of(form), 0) / found.length;
    const values = found.flatMap(({ value }) => value ?? []);
    const residuals = found.flatMap(({ residualBytes }) => residualBytes ?? []);
    return [
      {
        name,
        bytes: {
          method: mean(({ bytes }) => bytes.method),
          head: mean(({ bytes }) => bytes.head),
          total: mean(({ bytes }) => bytes.total),
        },
        bitsPerParameter: mean((form) => form.bitsPerParameter),
        value: values.length === found.length ? estimate(values, range) : null,
        residualBytes: residuals.length === found.length ? mean((form) => form.residualBytes!) : null,
      },
    ];
  });
}

/** The names of the forms that seeds chose: one where they agree, else each with its number of seeds. */
export function chosenForms(
  { cells }: CompressedRow,
  of: (cell: MeasuredCell) => { readonly form: string } | null,
): string | null {
  const counts = new Map<string, number>();
  for (const cell of cells) {
    const form = of(cell)?.form;
    if (form === undefined) return null;
    counts.set(form, (counts.get(form) ?? 0) + 1);
  }
  const names = [...counts];
  return names.length === 1 ? names[0]![0] : names.map(([form, count]) => `${form} (${count})`).join('; ');
}
