import { ckaResultSchema } from '../analyses/cka-schema.js';
import type { DoneRecord } from '../records/record-schema.js';
import { escapeHtml, heading, markup } from '../report/html.js';
import {
  describeCka,
  differenceScale,
  layerHeatmap,
  layerHeatmaps,
  similarityScale,
} from '../report/similarity-heatmap.js';
import { difference, largestOf } from '../report/similarity-matrices.js';

/** How alike the layers of a cell's model are; false where that was not looked at. */
export function cellSimilarity({ analyses }: DoneRecord): string | false {
  const of = ckaResultSchema.safeParse(analyses['cka']).data;
  if (of === undefined) return false;
  const { debiased, biased, backbone } = of;
  const change = backbone && difference(debiased, backbone.debiased);
  const most = largestOf(change === null ? [] : [change]);
  return markup(
    heading('Similarity between layers'),
    `<p class="facts">${escapeHtml(describeCka(of))}.</p>`,
    similarityScale(),
    layerHeatmaps(of, [
      layerHeatmap({ id: 'cka', title: 'debiased', subtitle: 'to be read', of, matrix: debiased, most: 1 }),
      layerHeatmap({
        id: 'cka-biased',
        title: 'as published',
        subtitle: 'biased upwards for few examples',
        of,
        matrix: biased,
        most: 1,
      }),
      ...(backbone === null
        ? []
        : [
            layerHeatmap({
              id: 'cka-across',
              title: 'against the untouched backbone',
              subtitle: 'debiased',
              of,
              matrix: backbone.across.debiased,
              most: 1,
              across: true,
            }),
          ]),
    ]),
    change !== null &&
      markup(
        differenceScale(most),
        layerHeatmaps(of, [
          layerHeatmap({
            id: 'cka-change',
            title: 'minus the untouched backbone',
            subtitle: 'debiased',
            of,
            matrix: change,
            most,
            diverging: true,
          }),
        ]),
      ),
  );
}
