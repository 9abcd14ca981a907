import type { SeriesIndex, SeriesLine } from '../../series.js';
import { choose, chosen, onAddress } from '../address.js';
import { announce, element, embedded } from '../elements.js';
import { matcher } from '../filters.js';
import { ChosenSeries } from './chosen-series.js';
import { valueText } from './line-data.js';
import { SeriesCards } from './series-cards.js';

/** At most so many lines are read from one plot. */
const mostInPlot = 12;

/** All lines of a history: what is chosen of them in one plot, and a card for each. */
export function mountSeries(root: ParentNode): () => void {
  const place = root.querySelector<HTMLElement>('[data-widget="series"]');
  if (place === null) return () => undefined;
  const index = embedded<SeriesIndex>(place);
  const folder = place.dataset['parts']!;
  const byId = new Map(index.lines.map((line) => [line.id, line]));

  const inPlot = (): readonly string[] => (chosen('plot') ?? '').split(',').filter((id) => byId.has(id));
  const setPlot = (ids: readonly string[]) => {
    choose({ plot: ids.join(',') });
    update();
  };
  const toggle = (id: string) => {
    const now = inPlot();
    if (now.includes(id)) setPlot(now.filter((one) => one !== id));
    else if (now.length < mostInPlot) setPlot([...now, id]);
    else announce(`At most ${mostInPlot} series fit into the plot.`);
  };

  const plot = new ChosenSeries(index, { folder, remove: toggle, clear: () => setPlot([]) });
  const cards = new SeriesCards(index, { folder, toggle });
  const { form, read, write } = controls(index);
  const count = element('p', { class: 'muted', role: 'status' });

  const update = () => {
    const { query, measure, machine, changed, order } = read();
    const matches = matcher(query);
    const isShown = (line: SeriesLine) => {
      const { name, machine: of, measures } = index.series[line.series]!;
      return (
        (measure === '' || line.measure === measure) &&
        (machine === '' || of === machine) &&
        (!changed || line.shifts > 0 || line.drifts) &&
        matches(`${measures[line.measure]?.title ?? ''} ${name} seed ${line.seed} ${of}`)
      );
    };
    const shown = index.lines.filter(isShown);
    cards.show(sorted(shown, index, order), new Set(inPlot()));
    count.textContent = `${shown.length} of ${index.lines.length} series`;
    plot.show(inPlot().map((id) => byId.get(id)!));
  };
  form.addEventListener('input', () => {
    const { query, measure, machine, changed, order } = read();
    choose({
      'series.filter': query,
      'series.measure': measure,
      'series.machine': machine,
      'series.changed': changed ? '1' : undefined,
      'series.order': order === 'name' ? undefined : order,
    });
    update();
  });
  const take = () => {
    write({
      query: chosen('series.filter') ?? '',
      measure: chosen('series.measure') ?? '',
      machine: chosen('series.machine') ?? '',
      changed: chosen('series.changed') === '1',
      order: chosen('series.order') ?? 'name',
    });
    update();
  };
  place.append(plot.element, form, count, cards.element);
  onAddress(take);
  take();
  return () => {
    plot.dispose();
    cards.dispose();
  };
}

function sorted(lines: readonly SeriesLine[], { series }: SeriesIndex, order: string): readonly SeriesLine[] {
  if (order === 'shifts') return lines.toSorted((a, b) => b.shifts - a.shifts);
  if (order === 'newest') return lines.toSorted((a, b) => (a.lastDate < b.lastDate ? 1 : -1));
  if (order === 'measure')
    return lines.toSorted((a, b) =>
      titleOf(a, series).localeCompare(titleOf(b, series), 'en', { numeric: true }),
    );
  return lines;
}

const titleOf = ({ series, measure }: SeriesLine, names: SeriesIndex['series']) =>
  names[series]!.measures[measure]?.title ?? measure;

interface Wanted {
  readonly query: string;
  readonly measure: string;
  readonly machine: string;
  readonly changed: boolean;
  readonly order: string;
}

function controls({ series }: SeriesIndex) {
  const measures = new Map(
    series.flatMap(({ measures: own }) =>
      Object.entries(own).map(([key, { title }]) => [key, title] as const),
    ),
  );
  const option = (value: string, text: string) => element('option', { value }, text);
  const query = element('input', {
    type: 'search',
    id: 'series-filter',
    placeholder: 'lora top-1',
    autocomplete: 'off',
    spellcheck: 'false',
  });
  const measure = element(
    'select',
    { id: 'series-measure' },
    option('', 'all'),
    ...[...measures].map(([key, title]) => option(key, title)),
  );
  const machines = [...new Set(series.map(({ machine }) => machine))];
  const machine = element(
    'select',
    { id: 'series-machine' },
    option('', 'all'),
    ...machines.map((one) => option(one, one)),
  );
  const changed = element('input', { type: 'checkbox', id: 'series-changed' });
  const order = element(
    'select',
    { id: 'series-order' },
    option('name', 'name'),
    option('measure', 'measure'),
    option('shifts', 'most shifts'),
    option('newest', 'newest result'),
  );
  const field = (title: string, input: HTMLElement) =>
    element('div', { class: 'field' }, element('label', { for: input.id }, title), input);
  const form = element(
    'form',
    { class: 'controls', role: 'search', 'aria-label': 'Filter series' },
    field('Filter', query),
    field('Measure', measure),
    machines.length > 1 && field('Machine', machine),
    field('Order', order),
    element(
      'div',
      { class: 'field check' },
      changed,
      element('label', { for: changed.id }, 'only what shifts or drifts'),
    ),
  );
  form.addEventListener('submit', (event) => event.preventDefault());
  return {
    form,
    read: (): Wanted => ({
      query: query.value,
      measure: measure.value,
      machine: machine.value,
      changed: changed.checked,
      order: order.value,
    }),
    write(wanted: Wanted) {
      query.value = wanted.query;
      measure.value = wanted.measure;
      machine.value = wanted.machine;
      changed.checked = wanted.changed;
      order.value = wanted.order;
    },
  };
}

/** A line's newest value, as it is shown. */
export function lastText(line: SeriesLine, { series }: SeriesIndex): string {
  const measure = series[line.series]!.measures[line.measure];
  return measure === undefined ? '' : valueText(measure, line.last);
}
