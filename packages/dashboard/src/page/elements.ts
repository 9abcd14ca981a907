type Child = Node | string | null | false;
type Attributes = Readonly<Record<string, string | number | boolean | EventListener>>;

/** Makes an element; `on…` attributes are listeners, `true` is an attribute without a value, `false` is none. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === 'function') made.addEventListener(key.slice(2), value);
    else if (value !== false) made.setAttribute(key, value === true ? '' : String(value));
  }
  made.append(...children.filter((child): child is Node | string => child !== null && child !== false));
  return made;
}

/** The JSON that stands inside an element, in a script of its own. */
export function embedded<T>(owner: Element): T {
  return JSON.parse(owner.querySelector(':scope > script[type="application/json"]')!.textContent!) as T;
}

/** Says something to screen readers, without a place on the page. */
export function announce(text: string): void {
  const place = document.getElementById('announcer');
  if (place !== null) place.textContent = text;
}

/** A colour of the palette; later ones repeat, and charts tell them apart by shape or dash. */
export function colourOf(index: number): string {
  return `var(--c${index % paletteSize})`;
}

export const paletteSize = 8;
