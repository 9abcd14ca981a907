/*
 * What a reader has chosen stands behind the # of the address, so that a link shows the same: either the id of an
 * element alone, or `name=value` pairs, of which `at` is the id of an element.
 */

type Listener = () => void;
const listeners = new Set<Listener>();

function read(): URLSearchParams {
  const hash = location.hash.slice(1);
  if (hash === '') return new URLSearchParams();
  return hash.includes('=')
    ? new URLSearchParams(hash)
    : new URLSearchParams({ at: decodeURIComponent(hash) });
}

/** A choice; undefined where the address says nothing. */
export function chosen(name: string): string | undefined {
  return read().get(name) ?? undefined;
}

/** Writes a choice into the address; undefined takes it out. The page does not jump, and going back leaves it. */
export function choose(changes: Readonly<Record<string, string | undefined>>): void {
  const params = read();
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined || value === '') params.delete(name);
    else params.set(name, value);
  }
  const text = params.toString();
  history.replaceState(null, '', text === '' ? location.pathname + location.search : `#${text}`);
}

/** The address that shows a figure with what is chosen in it. */
export function linkTo(id: string, prefix: string): string {
  const own = [...read()].filter(([name]) => name.startsWith(`${prefix}.`));
  return own.length === 0 ? `#${encodeURIComponent(id)}` : `#${new URLSearchParams([['at', id], ...own])}`;
}

/** Calls back whenever the address changes by a link or by the reader. */
export function onAddress(listener: Listener): void {
  listeners.add(listener);
}

/** Forgets listeners of a page that is replaced. */
export function forgetListeners(): void {
  listeners.clear();
}

/** Brings what the address names into view. */
export function goThere(): void {
  const id = chosen('at');
  const target = id === undefined ? null : document.getElementById(id);
  if (target === null) return;
  for (
    let folded = target.closest('details');
    folded !== null;
    folded = folded.parentElement!.closest('details')
  )
    folded.open = true;
  target.scrollIntoView({ block: 'start' });
  for (const old of document.querySelectorAll('.here')) old.classList.remove('here');
  target.classList.add('here');
}

export function listenToAddress(): void {
  addEventListener('hashchange', () => {
    for (const listener of listeners) listener();
    goThere();
  });
}
