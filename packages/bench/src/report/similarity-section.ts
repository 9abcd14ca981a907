import { sampleMean, sampleStandardDeviation } from '@kora-bench/core/metrics';
import type { CkaResult } from '../analyses/cka.js';
import { ckaResultSchema } from '../analyses/cka.js';
import { rowName } from '../table/phase-table.js';
import { plural } from '../table/text-table.js';
import { blockHeatmap } from './charts.js';
import { escapeHtml, folded, heading, markup, slug } from './html.js';
import type { PageContent } from './phase-section.js';
import { ofRow } from './phase-section.js';

type Matrix = CkaResult['debiased'];

/** Similarity between blocks: for each method the mean over its seeds, and to open, the spread; undefined without any. */
export function similaritySection({ rows, records }: PageContent): string | undefined {
  const found = rows.flatMap((row) => {
    const results = ofRow(row, records).flatMap(
      ({ analyses }) => ckaResultSchema.safeParse(analyses['cka']).data ?? [],
    );
    const [first] = results;
    if (first === undefined) return [];
    // Seeds of one row have one model, so as many blocks.
    const over = (each: (values: readonly number[]) => number | null): Matrix =>
      first.debiased.map((line, i) =>
        line.map((_, j) => {
          const values = results.map(({ debiased }) => debiased[i]![j]!);
          return values.some((value) => value === null) ? null : each(values);
        }),
      );
    const spread = results.length > 1 ? over(sampleStandardDeviation) : undefined;
    return [{ name: rowName(row, rows), first, seeds: results.length, mean: over(sampleMean), spread }];
  });
  const [first] = found;
  if (first === undefined) return undefined;
  const spreads = found.flatMap(({ name, spread }) => (spread === undefined ? [] : [{ name, spread }]));
  const largest = Math.max(...spreads.flatMap(({ spread }) => spread.flat().map((value) => value ?? 0)), 0);
  return markup(
    heading('Similarity between blocks'),
    `<p>Linear CKA of the class tokens after each block, debiased, over ${first.first.examples} test images of the phase ${escapeHtml(first.first.phase)}.</p>`,
    '<div class="charts small">',
    ...found.map(({ name, mean, seeds, spread }) =>
      blockHeatmap({
        id: `cka-${slug(name)}`,
        title: name,
        subtitle: subtitleOf(seeds, spread),
        matrix: mean,
        most: 1,
      }),
    ),
    '</div>',
    spreads.length > 0 &&
      folded(
        'Standard deviation over the seeds',
        markup(
          '<div class="charts small">',
          ...spreads.map(({ name, spread }) =>
            blockHeatmap({
              id: `cka-spread-${slug(name)}`,
              title: name,
              subtitle: 'standard deviation over the seeds',
              matrix: spread,
              most: Math.max(largest, 0.01),
            }),
          ),
          '</div>',
        ),
      ),
  );
}

function subtitleOf(seeds: number, spread: Matrix | undefined): string {
  const values = spread?.flat().filter((value) => value !== null) ?? [];
  const most = values.length === 0 ? '' : `, standard deviation up to ${Math.max(...values).toFixed(2)}`;
  return seeds > 1 ? `mean of ${plural(seeds, 'seed')}${most}` : '1 seed';
}
