import { choose, chosen, onAddress } from './address.js';
import { announce, element } from './elements.js';

/*
 * Tables come from the page as they are, and can be read without a script. Here their headings become buttons that sort.
 */

/** What a field is sorted by: `data-sort`, else its first number, else its text. */
function keyOf(row: HTMLTableRowElement, column: number, numeric: boolean): number | string | null {
  const cell = row.cells[column];
  const given = cell?.dataset['sort'];
  const text = (given ?? cell?.textContent ?? '').trim();
  if (!numeric) return text.toLowerCase();
  const [number] = /[-−+]?\d[\d ]*(\.\d+)?(e[-+]?\d+)?/i.exec(text) ?? [];
  return number === undefined ? null : Number(number.replace('−', '-').replaceAll(' ', ''));
}

function compare(a: number | string | null, b: number | string | null, sign: number): number {
  // What has no value stands last either way.
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  if (typeof a === 'number' && typeof b === 'number') return sign * (a - b);
  return sign * String(a).localeCompare(String(b), 'en', { numeric: true });
}

function makeSortable(table: HTMLTableElement): void {
  const body = table.tBodies[0];
  const headings = [...(table.tHead?.rows[0]?.cells ?? [])];
  if (body === undefined || body.rows.length < 2) return;
  const original = [...body.rows];
  const name = table.id === '' ? undefined : `${table.id}.sort`;
  let state = 0;
  /** @param wanted column from 1, negative for falling; 0 is the order of the page */
  const sort = (wanted: number) => {
    state = wanted;
    const column = Math.abs(wanted) - 1;
    const numeric = headings[column]?.classList.contains('number') ?? false;
    const rows =
      wanted === 0 || headings[column] === undefined
        ? original
        : original.toSorted((a, b) =>
            compare(keyOf(a, column, numeric), keyOf(b, column, numeric), Math.sign(wanted)),
          );
    body.append(...rows);
    for (const [i, heading] of headings.entries()) {
      if (i === column && wanted !== 0)
        heading.setAttribute('aria-sort', wanted > 0 ? 'ascending' : 'descending');
      else heading.removeAttribute('aria-sort');
    }
  };
  for (const [i, heading] of headings.entries()) {
    const title = heading.textContent ?? '';
    if (title.trim() === '') continue;
    const button = element('button', { type: 'button', class: 'sort' }, ...heading.childNodes);
    button.addEventListener('click', () => {
      // Numbers are looked at from the largest; the third press restores the order of the page.
      const steps = heading.classList.contains('number') ? [-(i + 1), i + 1, 0] : [i + 1, -(i + 1), 0];
      sort(steps[(steps.indexOf(state) + 1) % steps.length]!);
      if (name !== undefined) choose({ [name]: state === 0 ? undefined : String(state) });
      announce(state === 0 ? 'Order of the page' : `Sorted by ${title}, ${state > 0 ? 'rising' : 'falling'}`);
    });
    heading.replaceChildren(button);
  }
  if (name === undefined) return;
  const take = () => sort(Number(chosen(name) ?? 0) || 0);
  onAddress(take);
  if (chosen(name) !== undefined) take();
}

/** Tables that are wider than the page scroll by themselves, and must then be reachable by keyboard. */
function makeScrollable(box: HTMLElement): void {
  box.tabIndex = 0;
  box.setAttribute('role', 'region');
  box.setAttribute('aria-label', box.querySelector('caption')?.textContent ?? 'Table');
}

export function enhanceTables(root: ParentNode): void {
  for (const table of root.querySelectorAll('table')) makeSortable(table);
  for (const box of root.querySelectorAll<HTMLElement>('.scroll')) makeScrollable(box);
}
