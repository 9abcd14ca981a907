import type { HeatmapChart } from '@kora-bench/dashboard';
import type { CkaResult } from '../analyses/cka-schema.js';
import { absent } from '../table/text-table.js';
import type { Column } from './html.js';
import { escapeHtml, figure, markup, table } from './html.js';

export interface LayerHeatmap {
  readonly id: string;
  readonly title: string;
  readonly subtitle: string;
  /** Names the layers. */
  readonly of: Pick<CkaResult, 'layers'>;
  /** Null stays empty. */
  readonly matrix: readonly (readonly (number | null)[])[];
  /** The value of the darkest colour. */
  readonly most: number;
  /** Whether values below 0 have a colour of their own, darkest at −`most`. */
  readonly diverging?: boolean;
  /** Whether columns are layers of the untouched backbone. */
  readonly across?: boolean;
}

/** Numbers between layers as a square of colours. */
export function layerHeatmap(spec: LayerHeatmap): string {
  const { id, title, subtitle, of, matrix, most, diverging = false, across = false } = spec;
  const names = of.layers.map((name) => name.replace(/^blocks\./, ''));
  const axis = isOfBlocks(of) ? 'block' : 'layer';
  const chart: HeatmapChart = {
    kind: 'heatmap',
    names,
    axis: across ? `${axis} of the backbone` : axis,
    ...(across && { rowAxis: `${axis} of the method` }),
    matrix: matrix.map((row) => row.map((value) => value && Number(value.toFixed(4)))),
    most,
    ...(diverging && { diverging }),
  };
  const columns: Column<number>[] = [
    { title: axis, cell: (i) => escapeHtml(names[i]!) },
    ...names.map(
      (name, j): Column<number> => ({
        title: name,
        numeric: true,
        cell: (i) => matrix[i]![j]?.toFixed(3) ?? absent,
      }),
    ),
  ];
  return figure({ id, title, subtitle, chart, numbers: table(title, columns, [...matrix.keys()]) });
}

/** Heat maps beside each other; fewer where there are many layers. */
export function layerHeatmaps({ layers }: Pick<CkaResult, 'layers'>, figures: readonly string[]): string {
  return markup(`<div class="charts${layers.length > 12 ? '' : ' small'}">`, ...figures, '</div>');
}

/** The colours of similarities. */
export function similarityScale(): string {
  return scale('0', 'ramp', '1');
}

/** The colours of differences from −`most` to `most`. */
export function differenceScale(most: number): string {
  const end = most.toPrecision(2);
  return scale(`−${end}`, 'ramp diverging', `+${end}`);
}

function scale(least: string, colours: string, most: string): string {
  return `<p class="scale muted">${least} <span class="${colours}"></span> ${most}</p>`;
}

/** What was compared, as the beginning of a sentence. */
export function describeCka(result: CkaResult): string {
  const { kernel, bandwidth, tokens, layers, examples, phase, estimator, batchSize } = result;
  const kind =
    kernel === 'linear' ? 'Linear CKA' : `CKA with an RBF kernel of ${bandwidth} times the median distance,`;
  const of = { class: 'the class tokens', 'patch-mean': 'the means of the patches', all: 'all tokens' }[
    tokens
  ];
  const sites = new Set(layers.map((name) => name.replace(/^blocks\.\d+\./, '')));
  const where = isOfBlocks(result) ? 'after each block' : `at ${[...sites].join(', ')}`;
  const batches = estimator === 'exact' ? '' : `, in random batches of ${batchSize}`;
  return `${kind} of ${of} ${where} over ${examples} test images of the phase ${phase}${batches}`;
}

/** Whether its layers are the blocks, one each. */
function isOfBlocks({ layers }: Pick<CkaResult, 'layers'>): boolean {
  return layers.every((name) => /^blocks\.\d+$/.test(name));
}
