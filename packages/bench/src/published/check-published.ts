import { InputError } from '@kora-bench/core/errors';
import type { RunConfig } from '../config/run-config.js';
import { nameAndOptions } from '../config/run-config.js';
import { suggestion } from '../input/check-input.js';
import { metricsOfPhase } from '../phases/forgetting.js';
import type { PlannedPhase } from '../phases/plan-phases.js';
import { evaluationsOf } from '../phases/planned-evaluations.js';
import { plural } from '../table/text-table.js';
import type { PublishedColumn, PublishedMeasure } from './published-schema.js';

/*
 * Published results name methods, phases, metrics, evaluations and blocks of the run that they stand in. What the run
 * does not have is refused before anything trains: it would be an empty field of the report, hours later.
 */

/** The measures of a column, each with its field below the column’s. */
function measuresOf({ measure, honest }: PublishedColumn): readonly (readonly [string, PublishedMeasure])[] {
  return [
    ['measure', measure],
    ...honest.map((one, index) => [`honest[${index}].measure`, one.measure] as const),
  ];
}

/**
 * Checks what can be told from the configuration alone: methods, phases, analyses, and that rows are as long as the table.
 * @param labels of the run’s methods
 * @throws InputError naming the field
 */
export function checkPublished(
  { published, phases, analyses }: Pick<RunConfig, 'published' | 'phases' | 'analyses'>,
  labels: readonly string[],
): void {
  const scored = phases.filter(({ evaluate }) => evaluate.length > 0).map(({ name }) => name);
  const names = phases.map(({ name }) => name);
  const looksAtSimilarity = analyses.some((entry) => nameAndOptions(entry).name === 'cka');
  for (const [at, { title, columns, rows, setting }] of published.entries()) {
    const table = `published[${at}]`;
    for (const [index, { method, values }] of rows.entries()) {
      const field = `${table}.rows[${index}]`;
      refuseUnknown(method, labels, { what: 'method', table: title, where: `${field}.method` });
      if (values.length === columns.length) continue;
      throw new InputError(`A row of the published table “${title}” has not one value for each column.`, {
        where: `${field}.values`,
        expected: `${plural(columns.length, 'value')}, for ${columns.map((column) => column.title).join(', ')}`,
        received: String(values.length),
        fix: 'Write null where nothing is published.',
      });
    }
    for (const phase of Object.keys(setting.phases))
      refuseUnknown(phase, names, { what: 'phase', table: title, where: `${table}.setting.phases` });
    for (const [index, column] of columns.entries()) {
      for (const [inner, measure] of measuresOf(column)) {
        const where = `${table}.columns[${index}].${inner}`;
        if (measure === 'share') continue;
        if ('phase' in measure)
          refuseUnknown(measure.phase, scored, {
            what: 'scored phase',
            table: title,
            where: `${where}.phase`,
          });
        else if (!looksAtSimilarity) throw withoutSimilarity(title, where);
      }
    }
  }
}

/**
 * Checks what only open data and models tell: metrics, evaluations and, of the model that a table is of, blocks. On
 * another model the blocks that it lacks have no value.
 * @param planned the phases of a method; metrics and evaluations are the same for all methods
 * @param model the backbone, with its number of blocks
 * @throws InputError naming the field
 */
export function checkPublishedMeasures(
  { published }: Pick<RunConfig, 'published'>,
  planned: readonly PlannedPhase[],
  model: { readonly name: string; readonly depth: number },
): void {
  for (const [at, { title, columns, setting }] of published.entries()) {
    for (const [index, column] of columns.entries()) {
      for (const [inner, measure] of measuresOf(column)) {
        const where = `published[${at}].columns[${index}].${inner}`;
        if (measure === 'share') continue;
        if ('cka' in measure) {
          if (model.name === setting.model)
            checkBlocks(measure.cka, model.depth, { table: title, where: `${where}.cka` });
          continue;
        }
        const phase = planned.find((one) => one.phase.config.name === measure.phase)!;
        const [draw] = phase.draws;
        const metrics = metricsOfPhase(phase.taskFor(draw.train), phase.phase.config.headOf).map(
          ({ key }) => key,
        );
        const evaluations = evaluationsOf(phase, draw).flatMap((same) => same.map(({ name }) => name));
        const of = `${measure.phase} in the published table “${title}”`;
        refuseUnknown(measure.metric, metrics, { what: 'metric', table: of, where: `${where}.metric` });
        if (measure.evaluation === undefined) continue;
        refuseUnknown(measure.evaluation, evaluations, {
          what: 'evaluation',
          table: of,
          where: `${where}.evaluation`,
        });
      }
    }
  }
}

function refuseUnknown(
  name: string,
  known: readonly string[],
  { what, table, where }: { readonly what: string; readonly table: string; readonly where: string },
): void {
  if (known.includes(name)) return;
  throw new InputError(`The run has no ${what} "${name}", which a published number is of.`, {
    where,
    expected: known.length === 0 ? `no ${what}: there is none` : `one of ${known.join(', ')}`,
    received: `${name}, for ${table}`,
    fix: suggestion(name, known, 'Name one of these, or leave the table out with "published": [].'),
  });
}

function checkBlocks(
  blocks: readonly number[],
  depth: number,
  { table, where }: { readonly table: string; readonly where: string },
): void {
  const outside = blocks.find((block) => block >= depth);
  if (outside === undefined) return;
  throw new InputError(`The backbone has no block ${outside}, which a published number is of.`, {
    where,
    expected: `blocks from 0 to ${depth - 1}`,
    received: `${blocks.join(', ')}, for “${table}”`,
    fix: 'Name blocks that the model has, or leave the table out with "published": [].',
  });
}

function withoutSimilarity(table: string, where: string): InputError {
  return new InputError('A published number is a CKA, and the run does not look at it.', {
    where,
    expected: 'the analysis cka among "analyses"',
    received: `none, for “${table}”`,
    fix: 'Add "cka" to "analyses".',
  });
}
