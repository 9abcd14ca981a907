import type uPlot from 'uplot';
import type { SeriesIndex, SeriesLine } from '../../series.js';
import { announce, colourOf, element } from '../elements.js';
import { onTheme } from '../theme.js';
import type { LoadedLine } from './line-data.js';
import { commitText, loadedLine, newVersions, shiftsOf, valueText } from './line-data.js';
import { loadPart } from './parts.js';
import type { DrawnLine } from './series-plot.js';
import { drawSeries } from './series-plot.js';

export interface ChosenSeriesSettings {
  readonly folder: string;
  readonly remove: (id: string) => void;
  readonly clear: () => void;
}

/** The plot of the lines that the reader has chosen, with their points as a table. */
export class ChosenSeries {
  readonly element = element('section', {
    id: 'plot',
    class: 'card chosen',
    'aria-label': 'Chosen series',
    hidden: true,
  });
  readonly #index: SeriesIndex;
  readonly #settings: ChosenSeriesSettings;
  readonly #unsubscribe: () => void;
  readonly #sized: ResizeObserver;
  #shown = '';
  #lines: readonly LoadedLine[] = [];
  #plot: uPlot | undefined;
  #box = element('div');

  constructor(index: SeriesIndex, settings: ChosenSeriesSettings) {
    this.#index = index;
    this.#settings = settings;
    this.#unsubscribe = onTheme(() => this.#draw());
    this.#sized = new ResizeObserver(() => {
      if (this.#plot !== undefined && this.#plot.width !== this.#box.clientWidth)
        this.#plot.setSize({ width: this.#box.clientWidth, height: this.#plot.height });
    });
  }

  async show(lines: readonly SeriesLine[]): Promise<void> {
    const ids = lines.map(({ id }) => id).join(',');
    if (ids === this.#shown) return;
    this.#shown = ids;
    this.element.hidden = lines.length === 0;
    const loaded = await Promise.all(
      lines.map(async (line) => {
        const name = this.#index.series[line.series]!;
        return loadedLine(line, name, await loadPart(this.#settings.folder, name.part));
      }),
    ).catch((error: unknown) => (error instanceof Error ? error.message : String(error)));
    // The reader may have chosen otherwise by now.
    if (this.#shown !== ids) return;
    if (typeof loaded === 'string') {
      this.element.replaceChildren(element('p', {}, loaded));
      return;
    }
    this.#lines = loaded.filter((line) => line !== null);
    this.#build();
    this.#draw();
  }

  dispose(): void {
    this.#unsubscribe();
    this.#sized.disconnect();
    this.#plot?.destroy();
  }

  /** Several measures have one scale only as shares of their first values. */
  get #isRelative(): boolean {
    return new Set(this.#lines.map(({ measure }) => `${measure.title} ${measure.unit}`)).size > 1;
  }

  #shownAs({ values, measure }: LoadedLine): (value: number) => number {
    const [first = 1] = values.values;
    return this.#isRelative ? (value) => (100 * value) / first : (value) => value * measure.scale;
  }

  #build(): void {
    const { remove, clear } = this.#settings;
    this.#sized.disconnect();
    this.#box = element('div', {
      class: 'time-plot',
      tabindex: 0,
      role: 'group',
      'aria-label': 'Plot over time; the arrow keys move from result to result',
    });
    this.#box.addEventListener('keydown', (event) => this.#step(event));
    this.#sized.observe(this.#box);
    const one = this.#lines.length === 1 ? this.#lines[0]! : undefined;
    this.element.replaceChildren(
      element(
        'header',
        {},
        element('h2', {}, one === undefined ? `${this.#lines.length} series` : one.measure.title),
        element('button', { type: 'button', onclick: clear }, 'Close'),
      ),
      element(
        'ul',
        { class: 'legend' },
        ...this.#lines.map(({ line, name, measure }, i) =>
          element(
            'li',
            {},
            element('span', { class: 'swatch', style: `--colour: ${colourOf(i)}` }),
            `${one === undefined ? `${measure.title}, ` : ''}${name.name}, seed ${line.seed} `,
            element('span', { class: 'muted' }, name.machine),
            element(
              'button',
              {
                type: 'button',
                class: 'remove',
                'aria-label': `Take ${measure.title} of ${name.name}, seed ${line.seed}, out of the plot`,
                onclick: () => remove(line.id),
              },
              '×',
            ),
          ),
        ),
      ),
      this.#box,
      element(
        'p',
        { class: 'muted' },
        'Thick: the level of each stretch. Shade: how far the series moves by itself. Dashed: where it shifts. Drag to look closer, click twice to go back.',
      ),
      ...this.#shifts(),
      this.#folded('All results', () => this.#numbers()),
      this.#folded('Configuration', () => this.#configuration()),
    );
  }

  #draw(): void {
    this.#plot?.destroy();
    this.#plot = undefined;
    if (this.#lines.length === 0 || !this.#box.isConnected) return;
    const drawn = this.#lines.map(
      (loaded, index): DrawnLine => ({ loaded, index, shown: this.#shownAs(loaded) }),
    );
    const tip = element('div', { class: 'tip', hidden: true });
    const { title, unit } = this.#lines[0]!.measure;
    const named = unit === '' ? title : `${title}, ${unit}`;
    this.#plot = drawSeries(this.#box, drawn, {
      width: this.#box.clientWidth,
      height: 340,
      compact: false,
      axis: this.#isRelative ? '% of the first value' : named,
      pointed: (plot, place) => this.#point(plot, place, tip),
    });
    this.#plot.over.append(tip);
  }

  /** Shows what is known of the results at a place of the plot's times. */
  #point(plot: uPlot, place: number | null, tip: HTMLElement): void {
    const time = place === null ? undefined : plot.data[0]![place];
    const blocks = time === undefined ? [] : this.#about(time);
    tip.hidden = blocks.length === 0;
    if (time === undefined || blocks.length === 0) return;
    tip.replaceChildren(...blocks);
    const left = plot.valToPos(time, 'x');
    const isRight = left > plot.over.clientWidth / 2;
    tip.style.left = isRight ? '' : `${left + 14}px`;
    tip.style.right = isRight ? `${plot.over.clientWidth - left + 14}px` : '';
  }

  /** The value of each line, then what is known of the results behind them, each once. */
  #about(time: number): Node[] {
    const values: Node[] = [];
    const sources = new Map<string, Node[]>();
    for (const [index, loaded] of this.#lines.entries()) {
      const at = nearest(loaded.times, time);
      if (at === null) continue;
      const { values: own, part, measure, line, name } = loaded;
      const entry = part.entries[own.at[at]!]!;
      const before = at === 0 ? undefined : part.entries[own.at[at - 1]!];
      const marks = part.marks.filter(
        (mark) =>
          entry.commit?.startsWith(mark.commit) && (mark.measure === null || mark.measure === line.measure),
      );
      values.push(
        element(
          'div',
          {},
          element('span', { class: 'swatch', style: `--colour: ${colourOf(index)}` }),
          element('strong', {}, valueText(measure, own.values[at]!)),
          this.#lines.length > 1 ? ` ${measure.title}, ${name.label}, seed ${line.seed}` : '',
        ),
      );
      const text = `${dateText(entry.date)}, ${commitText(entry)}`;
      sources.set(`${text}, ${entry.run}`, [
        element('div', { class: 'muted' }, text),
        element('div', { class: 'muted' }, `run ${entry.run}`),
        ...newVersions(part, before, entry).map((change) => element('div', {}, change)),
        ...marks.map((mark) => element('div', {}, `Accepted: ${mark.text} (${mark.by})`)),
      ]);
    }
    return [...values, ...[...sources.values()].flat()];
  }

  #step(event: KeyboardEvent): void {
    const plot = this.#plot;
    const steps: Readonly<Record<string, number>> = { ArrowLeft: -1, ArrowRight: 1, Home: -1e9, End: 1e9 };
    const step = steps[event.key];
    if (plot === undefined || step === undefined) return;
    event.preventDefault();
    const times = plot.data[0]!;
    const next = Math.max(0, Math.min(times.length - 1, (plot.cursor.idx ?? -1) + step));
    plot.setCursor({ left: plot.valToPos(times[next]!, 'x'), top: 10 });
    announce(plot.over.querySelector('.tip')?.textContent ?? '');
  }

  #shifts(): HTMLElement[] {
    const found = this.#lines.flatMap((loaded) =>
      shiftsOf(loaded).map((shift) => ({
        loaded,
        shift,
        entry: loaded.part.entries[loaded.values.at[shift.at]!]!,
      })),
    );
    if (found.length === 0) return [];
    const list = element(
      'ul',
      { class: 'shifts' },
      ...found.map(({ loaded: { measure, name, line }, shift: { before, after, verdict }, entry }) =>
        element(
          'li',
          {},
          element('span', { class: `verdict ${verdict}` }, verdict),
          ` ${this.#lines.length > 1 ? `${measure.title}, ${name.name}, seed ${line.seed}: ` : ''}${valueText(measure, before)} to ${valueText(measure, after)} (${percentText(after / before - 1)}) at ${commitText(entry)}, ${dateText(entry.date)}`,
        ),
      ),
    );
    return [list];
  }

  /** Made when it is opened: a line can have a thousand points. */
  #folded(title: string, make: () => Node): HTMLElement {
    const folded = element('details', {}, element('summary', {}, title));
    folded.addEventListener('toggle', () => {
      if (folded.open && folded.childElementCount === 1) folded.append(make());
    });
    return folded;
  }

  #numbers(): Node {
    const rows = this.#lines.flatMap(({ values, part, measure, line, name }) =>
      values.values.map((value, i) => {
        const entry = part.entries[values.at[i]!]!;
        return [
          entry.date.slice(0, 16).replace('T', ' '),
          commitText(entry),
          `${measure.title}, ${name.name}, seed ${line.seed}`,
          valueText(measure, value),
          entry.run,
        ];
      }),
    );
    const heading = ['date', 'commit', 'series', 'value', 'run'].map((title) =>
      element('th', { scope: 'col' }, title),
    );
    return element(
      'div',
      { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'All results' },
      element(
        'table',
        {},
        element('thead', {}, element('tr', {}, ...heading)),
        element(
          'tbody',
          {},
          ...rows.map((row) => element('tr', {}, ...row.map((text) => element('td', {}, text)))),
        ),
      ),
    );
  }

  #configuration(): Node {
    return element(
      'div',
      {},
      ...this.#lines.map(({ name, part }) =>
        element(
          'div',
          {},
          element('h3', {}, name.name),
          part.settings === null
            ? element('p', {}, 'Only its digest is known.')
            : element(
                'dl',
                { class: 'facts' },
                ...Object.entries(part.settings).flatMap(([path, value]) => [
                  element('dt', {}, path),
                  element('dd', {}, value),
                ]),
              ),
        ),
      ),
    );
  }
}

/** The place of the time that is closest. */
function nearest(times: readonly number[], time: number): number | null {
  if (times.length === 0) return null;
  let [low, high] = [0, times.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (times[middle]! <= time) low = middle;
    else high = middle;
  }
  return time - times[low]! <= times[high]! - time ? low : high;
}

function dateText(date: string): string {
  return new Date(date).toLocaleDateString('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });
}

function percentText(share: number): string {
  return `${share > 0 ? '+' : ''}${(100 * share).toFixed(1)} %`;
}
