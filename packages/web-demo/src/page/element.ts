import { InternalError } from '@kora-bench/core/errors';

/** The page's element of this id. @throws InternalError when the page has none */
export function element<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (found instanceof type) return found;
  throw new InternalError(`The page has no ${type.name} with the id "${id}".`);
}
