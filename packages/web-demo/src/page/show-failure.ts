import { KoraError } from '@kora-bench/core/errors';
import { element } from './element.js';

/** Shows what went wrong, with all that the error knows: where, what was expected, what came, the fix. */
export function showFailure(error: unknown): void {
  const section = element('failure', HTMLElement);
  const title = document.createElement('h2');
  title.textContent = error instanceof Error ? error.message : String(error);
  const details = document.createElement('dl');
  if (error instanceof KoraError) {
    const { where, expected, received, fix } = error;
    for (const [name, value] of Object.entries({ where, expected, received, fix }))
      if (value !== undefined) details.append(cell('dt', name), cell('dd', value));
  }
  section.replaceChildren(title, details);
  section.hidden = false;
}

function cell(tag: 'dt' | 'dd', text: string): HTMLElement {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}
