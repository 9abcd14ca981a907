import type { CkaResult } from '../analyses/cka-schema.js';
import { ckaResultSchema } from '../analyses/cka-schema.js';
import { rowName } from '../table/phase-table.js';
import type { SummaryRow } from '../table/summary-row.js';
import { plural } from '../table/text-table.js';
import { escapeHtml, folded, heading, markup, slug } from './html.js';
import type { PageContent } from './phase-section.js';
import { ofRow } from './phase-section.js';
import {
  describeCka,
  differenceScale,
  layerHeatmap,
  layerHeatmaps,
  similarityScale,
} from './similarity-heatmap.js';
import type { OverSeeds, SimilarityMatrix } from './similarity-matrices.js';
import { difference, largestOf, overSeeds } from './similarity-matrices.js';

/** What was found for a method. */
interface MethodSimilarity {
  readonly name: string;
  readonly model: string;
  readonly seeds: number;
  readonly first: CkaResult;
  readonly within: OverSeeds;
  readonly backbone?: {
    /** The same for all seeds. */
    readonly within: SimilarityMatrix;
    /** The method's minus the backbone's. */
    readonly change: OverSeeds;
    readonly across: OverSeeds;
  };
}

/**
 * Similarity between layers: for each method the mean over its seeds, against the untouched backbone where that was looked
 * at, and to open, the spread; undefined without any.
 */
export function similaritySection(content: PageContent): string | undefined {
  const found = content.rows.flatMap((row) => similarityOf(row, content) ?? []);
  const [first] = found;
  if (first === undefined) return undefined;
  const onModels = new Map(found.map((one) => [one.model, one])).values();
  return markup(
    heading('Similarity between layers'),
    ...descriptionsOf(found),
    similarityScale(),
    layerHeatmaps(first.first, [
      ...[...onModels].flatMap(({ model, first, backbone }) =>
        backbone === undefined
          ? []
          : layerHeatmap({
              id: `cka-backbone-${slug(model)}`,
              title: `${model}, untouched`,
              subtitle: 'no method',
              of: first,
              matrix: backbone.within,
              most: 1,
            }),
      ),
      ...found.map(({ name, seeds, first, within }) =>
        layerHeatmap({
          id: `cka-${slug(name)}`,
          title: name,
          subtitle: subtitleOf(seeds, within),
          of: first,
          matrix: within.mean,
          most: 1,
        }),
      ),
    ]),
    againstBackbone(found),
    deviations(found),
  );
}

/** What was compared; of models apart where it was not the same, e.g. because one has no class token. */
function descriptionsOf(found: readonly MethodSimilarity[]): readonly string[] {
  const described = new Map(found.map(({ model, first }) => [model, describeCka(first)]));
  const different = [...new Set(described.values())];
  return different.map((description) => {
    const models = [...described].filter(([, own]) => own === description).map(([model]) => model);
    const names = different.length === 1 ? '' : `, of ${models.join(', ')}`;
    return `<p>${escapeHtml(`${description}, debiased${names}`)}.</p>`;
  });
}

function similarityOf(row: SummaryRow, { rows, records }: PageContent): MethodSimilarity | undefined {
  const results = ofRow(row, records).flatMap(
    ({ analyses }) => ckaResultSchema.safeParse(analyses['cka']).data ?? [],
  );
  const [first] = results;
  if (first === undefined) return undefined;
  const whole = results.flatMap(({ debiased, backbone }) =>
    backbone === null ? [] : [{ debiased, backbone }],
  );
  const backbone = whole.length === results.length ? first.backbone : null;
  return {
    name: rowName(row, rows),
    model: row.model,
    seeds: results.length,
    first,
    within: overSeeds(results.map(({ debiased }) => debiased)),
    ...(backbone && {
      backbone: {
        within: backbone.debiased,
        change: overSeeds(whole.map((one) => difference(one.debiased, one.backbone.debiased))),
        across: overSeeds(whole.map((one) => one.backbone.across.debiased)),
      },
    }),
  };
}

function againstBackbone(found: readonly MethodSimilarity[]): string | undefined {
  const both = found.flatMap(({ backbone, ...rest }) =>
    backbone === undefined ? [] : [{ ...rest, ...backbone }],
  );
  const [any] = both;
  if (any === undefined) return undefined;
  const most = largestOf(both.map(({ change }) => change.mean));
  return markup(
    '<h3>Difference from the untouched backbone</h3>',
    '<p>The similarity within the trained model minus that within the backbone.</p>',
    differenceScale(most),
    layerHeatmaps(
      any.first,
      both.map(({ name, seeds, first, change }) =>
        layerHeatmap({
          id: `cka-change-${slug(name)}`,
          title: name,
          subtitle: subtitleOf(seeds, change),
          of: first,
          matrix: change.mean,
          most,
          diverging: true,
        }),
      ),
    ),
    '<h3>Between a method and the untouched backbone</h3>',
    '<p>Rows are layers of the trained model, columns those of the backbone; 1 on the diagonal is a layer that training left as it was.</p>',
    similarityScale(),
    layerHeatmaps(
      any.first,
      both.map(({ name, seeds, first, across }) =>
        layerHeatmap({
          id: `cka-across-${slug(name)}`,
          title: name,
          subtitle: subtitleOf(seeds, across),
          of: first,
          matrix: across.mean,
          most: 1,
          across: true,
        }),
      ),
    ),
  );
}

function deviations(found: readonly MethodSimilarity[]): string | false {
  const spreads = found.flatMap(({ name, first, within: { deviation } }) =>
    deviation === undefined ? [] : [{ name, first, deviation }],
  );
  const [any] = spreads;
  if (any === undefined) return false;
  const most = largestOf(spreads.map(({ deviation }) => deviation));
  return folded(
    'Standard deviation over the seeds',
    layerHeatmaps(
      any.first,
      spreads.map(({ name, first, deviation }) =>
        layerHeatmap({
          id: `cka-spread-${slug(name)}`,
          title: name,
          subtitle: 'standard deviation over the seeds',
          of: first,
          matrix: deviation,
          most,
        }),
      ),
    ),
  );
}

function subtitleOf(seeds: number, { deviation }: OverSeeds): string {
  const values = deviation?.flat().filter((value) => value !== null) ?? [];
  const most = values.length === 0 ? '' : `, standard deviation up to ${Math.max(...values).toFixed(2)}`;
  return seeds > 1 ? `mean of ${plural(seeds, 'seed')}${most}` : '1 seed';
}
