import { element } from './elements.js';

const key = 'kora-bench-theme';
type Theme = 'light' | 'dark';
const dark = matchMedia('(prefers-color-scheme: dark)');

/** Storage may be forbidden, e.g. for pages from a file. */
function stored(): Theme | null {
  try {
    const value = localStorage.getItem(key);
    return value === 'light' || value === 'dark' ? value : null;
  } catch {
    return null;
  }
}

function store(theme: Theme): void {
  try {
    localStorage.setItem(key, theme);
  } catch {
    // It lasts as long as the page then.
  }
}

const listeners = new Set<() => void>();

/** Calls back when colours change; for what is drawn on a canvas. */
export function onTheme(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function currentTheme(): Theme {
  return (
    (document.documentElement.dataset['theme'] as Theme | undefined) ?? (dark.matches ? 'dark' : 'light')
  );
}

/** Light or dark as the reader's system asks, until the button says otherwise. */
export function addThemeButton(header: Element): void {
  const before = stored();
  if (before !== null) document.documentElement.dataset['theme'] = before;
  const button = element('button', { type: 'button', class: 'theme' });
  const show = () => {
    const other = currentTheme() === 'dark' ? 'light' : 'dark';
    button.textContent = other === 'dark' ? '☾' : '☀';
    button.setAttribute('aria-label', `Use ${other} colours`);
    button.title = `Use ${other} colours`;
    for (const listener of listeners) listener();
  };
  button.addEventListener('click', () => {
    const other = currentTheme() === 'dark' ? 'light' : 'dark';
    document.documentElement.dataset['theme'] = other;
    store(other);
    show();
  });
  dark.addEventListener('change', show);
  show();
  header.append(button);
}
