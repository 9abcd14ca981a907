import type uPlot from 'uplot';
import type { SeriesIndex, SeriesLine, SeriesPart } from '../../series.js';
import { element } from '../elements.js';
import { onTheme } from '../theme.js';
import { loadedLine, valueText } from './line-data.js';
import { loadPart } from './parts.js';
import { drawSeries } from './series-plot.js';

interface Card {
  readonly element: HTMLElement;
  readonly place: HTMLElement;
  readonly toggle: HTMLInputElement;
  readonly line: SeriesLine;
  plot: uPlot | undefined;
  /** Whether it is near the window. */
  near: boolean;
}

/** One drawing of a card in a frame leaves room for scrolling; more are made while there is time left. */
const millisecondsInFrame = 6;

/**
 * A card for each line. Cards out of sight take no layout (`content-visibility`) and have no canvas: plots are drawn when
 * a card comes near the window, some in each frame, and given back when it is far away.
 */
export class SeriesCards {
  readonly element = element('div', { class: 'cards' });
  readonly #cards = new Map<string, Card>();
  readonly #ofElement = new WeakMap<Element, Card>();
  readonly #waiting = new Set<Card>();
  /** Those that are there, so that a card is drawn in the frame in which its turn comes. */
  readonly #parts = new Map<string, SeriesPart>();
  readonly #index: SeriesIndex;
  readonly #folder: string;
  readonly #toggle: (id: string) => void;
  readonly #near: IntersectionObserver;
  readonly #unsubscribe: () => void;
  #frame = 0;
  /** Pixels of a plot. */
  #width = 0;

  constructor(
    index: SeriesIndex,
    { folder, toggle }: { readonly folder: string; readonly toggle: (id: string) => void },
  ) {
    this.#index = index;
    this.#folder = folder;
    this.#toggle = toggle;
    this.#near = new IntersectionObserver((entries) => this.#moved(entries), { rootMargin: '600px 0px' });
    this.#unsubscribe = onTheme(() => this.#redraw());
    addEventListener('resize', this.#resized);
  }

  /** @param inPlot ids of lines that are in the plot above */
  show(lines: readonly SeriesLine[], inPlot: ReadonlySet<string>): void {
    const cards = lines.map((line) => this.#card(line));
    for (const card of cards) card.toggle.checked = inPlot.has(card.line.id);
    const now = [...this.element.children];
    // Cards that stay in their places keep their plots and the reader's focus.
    if (now.length !== cards.length || cards.some((card, i) => card.element !== now[i]))
      this.element.replaceChildren(...cards.map((card) => card.element));
  }

  dispose(): void {
    this.#near.disconnect();
    this.#unsubscribe();
    removeEventListener('resize', this.#resized);
    cancelAnimationFrame(this.#frame);
    for (const card of this.#cards.values()) card.plot?.destroy();
  }

  #card(line: SeriesLine): Card {
    const known = this.#cards.get(line.id);
    if (known !== undefined) return known;
    const { name, label, measures, machine } = this.#index.series[line.series]!;
    const measure = measures[line.measure]!;
    const toggle = element('input', { type: 'checkbox', onchange: () => this.#toggle(line.id) });
    const place = element('div', { class: 'spark', 'aria-hidden': 'true' });
    const last = valueText(measure, line.last);
    const made: Card = {
      line,
      place,
      toggle,
      plot: undefined,
      near: false,
      element: element(
        'article',
        { class: 'card line', 'aria-label': `${measure.title} of ${name}, seed ${line.seed}: ${last}` },
        element(
          'header',
          {},
          element('h3', {}, measure.title),
          element('label', { class: 'check', title: 'Show in the plot above' }, toggle, 'plot'),
        ),
        element(
          'p',
          { title: `${name}, ${machine}` },
          `${label}, seed ${line.seed} `,
          element('span', { class: 'muted' }, name.startsWith(label) ? name.slice(label.length) : name),
        ),
        place,
        element(
          'footer',
          {},
          element('strong', {}, last),
          ' ',
          shiftText(line),
          element(
            'span',
            { class: 'muted end' },
            `${line.points} ${line.points === 1 ? 'result' : 'results'}`,
          ),
        ),
      ),
    };
    this.#cards.set(line.id, made);
    this.#ofElement.set(made.element, made);
    this.#near.observe(made.element);
    return made;
  }

  #moved(entries: readonly IntersectionObserverEntry[]): void {
    for (const { target, isIntersecting } of entries) {
      const card = this.#ofElement.get(target)!;
      card.near = isIntersecting;
      if (isIntersecting) this.#waiting.add(card);
      else {
        this.#waiting.delete(card);
        card.plot?.destroy();
        card.plot = undefined;
      }
    }
    this.#schedule();
  }

  #schedule(): void {
    if (this.#frame === 0 && this.#waiting.size > 0)
      this.#frame = requestAnimationFrame(() => this.#drawSome());
  }

  #drawSome(): void {
    this.#frame = 0;
    const end = performance.now() + millisecondsInFrame;
    for (const card of this.#waiting) {
      this.#waiting.delete(card);
      if (card.near) this.#draw(card);
      if (performance.now() > end) break;
    }
    this.#schedule();
  }

  #draw(card: Card): void {
    const name = this.#index.series[card.line.series]!;
    const ready = this.#parts.get(name.part);
    if (ready === undefined) {
      loadPart(this.#folder, name.part).then(
        (part) => {
          this.#parts.set(name.part, part);
          this.#waiting.add(card);
          this.#schedule();
        },
        (error: unknown) => {
          card.place.textContent = error instanceof Error ? error.message : String(error);
        },
      );
      return;
    }
    const loaded = loadedLine(card.line, name, ready);
    card.plot?.destroy();
    card.plot = undefined;
    // All cards are as wide as each other; asking each would cost a layout for each.
    this.#width ||= card.place.clientWidth;
    if (loaded === null || this.#width === 0) return;
    card.plot = drawSeries(
      card.place,
      [{ loaded, index: 0, shown: (value) => value * loaded.measure.scale }],
      { width: this.#width, height: 84, compact: true },
    );
  }

  #redraw(): void {
    for (const card of this.#cards.values()) if (card.near) this.#waiting.add(card);
    this.#schedule();
  }

  #resized = () => {
    this.#width = 0;
    for (const card of this.#cards.values()) if (card.plot !== undefined) this.#waiting.add(card);
    this.#schedule();
  };
}

function shiftText({ shifts, drifts, lastShift }: SeriesLine): HTMLElement {
  if (shifts === 0)
    return drifts
      ? element('span', { class: 'verdict undecided' }, 'drifts')
      : element('span', { class: 'verdict same' }, 'steady');
  return element(
    'span',
    { class: `verdict ${lastShift ?? 'undecided'}` },
    `${shifts} ${shifts === 1 ? 'shift' : 'shifts'}${lastShift === null ? '' : `, ${lastShift}`}`,
  );
}
