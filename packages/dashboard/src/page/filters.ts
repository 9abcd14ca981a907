import { choose, chosen, onAddress } from './address.js';
import { announce, element } from './elements.js';

/** What a chart shows of its labels; charts outside of a filtered part show all. */
export type Shows = (label: string) => boolean;

/** Every word has to occur. */
export function matcher(query: string): (text: string) => boolean {
  const words = query
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  return (text) => {
    const lower = text.toLowerCase();
    return words.every((word) => lower.includes(word));
  };
}

/**
 * A part of the page with `data-filter`: a field above it decides which rows of its tables and which points of its
 * charts are shown.
 * @param redraw is called with a part whose charts show something else
 */
export function addFilters(root: ParentNode, redraw: (part: Element) => void): void {
  for (const part of root.querySelectorAll<HTMLElement>('[data-filter]')) {
    const name = part.dataset['filter']!;
    const key = `${name}.filter`;
    const field = element('input', {
      type: 'search',
      id: `${name}-filter`,
      placeholder: part.dataset['example'] ?? '',
      autocomplete: 'off',
      spellcheck: 'false',
    });
    const count = element('span', { class: 'muted' });
    const apply = () => {
      const isShown = matcher(field.value);
      part.dataset['query'] = field.value;
      let [shown, all] = [0, 0];
      for (const row of part.querySelectorAll<HTMLTableRowElement>('table[data-filtered] tbody tr')) {
        row.hidden = !isShown(row.textContent ?? '');
        all++;
        if (!row.hidden) shown++;
      }
      count.textContent = field.value === '' ? '' : `${shown} of ${all}`;
      redraw(part);
    };
    let timer = 0;
    field.addEventListener('input', () => {
      clearTimeout(timer);
      timer = window.setTimeout(() => {
        choose({ [key]: field.value });
        apply();
        announce(`${count.textContent} shown`);
      }, 120);
    });
    part.prepend(
      element(
        'div',
        { class: 'controls' },
        element('label', { for: field.id }, part.dataset['label'] ?? 'Filter'),
        field,
        count,
      ),
    );
    const take = () => {
      const wanted = chosen(key) ?? '';
      if (wanted === (part.dataset['query'] ?? '')) return;
      field.value = wanted;
      apply();
    };
    onAddress(take);
    take();
  }
}

/** What the filter around an element lets through. */
export function shownBy(owner: Element): Shows {
  const query = owner.closest<HTMLElement>('[data-filter]')?.dataset['query'] ?? '';
  return matcher(query);
}
