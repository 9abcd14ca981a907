import type { SeriesPart } from '../../series.js';

/*
 * The values of a series are a script of its own that hands them over, because pages from a file may load scripts but
 * no JSON.
 */

declare global {
  var koraBenchPart: ((name: string, value: SeriesPart) => void) | undefined;
}

const loading = new Map<string, Promise<SeriesPart>>();
const handedOver = new Map<string, SeriesPart>();

globalThis.koraBenchPart = (name, value) => void handedOver.set(name, value);

/** @param folder address of the parts, with a slash at its end */
export function loadPart(folder: string, name: string): Promise<SeriesPart> {
  const known = loading.get(name);
  if (known !== undefined) return known;
  const made = new Promise<SeriesPart>((resolve, reject) => {
    const script = document.createElement('script');
    script.src = `${folder}${encodeURIComponent(name)}.js`;
    script.onload = () => {
      const value = handedOver.get(name);
      handedOver.delete(name);
      script.remove();
      if (value === undefined) reject(new Error(`${script.src} has no values.`));
      else resolve(value);
    };
    script.onerror = () => reject(new Error(`${script.src} cannot be loaded.`));
    document.head.append(script);
  });
  loading.set(name, made);
  // A later try may succeed.
  made.catch(() => loading.delete(name));
  return made;
}

/** Loads parts anew, because they have changed. */
export function forgetParts(): void {
  loading.clear();
}
