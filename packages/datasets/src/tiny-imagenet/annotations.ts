import { FormatError } from '@kora-bench/core';

/** The classes of Tiny ImageNet; a label is a place in these lists. */
export interface TinyImageNetClasses {
  readonly wnids: readonly string[];
  readonly names: readonly string[];
}

/**
 * Parses `wnids.txt` (one WordNet id a line; its order is the order of labels) and `words.txt`
 * (id, tab, names). An id that `words.txt` does not know keeps its id as name.
 *
 * @throws FormatError when `wnids.txt` is empty, or names a class twice.
 */
export function parseClasses(wnidsTxt: string, wordsTxt: string, location: string): TinyImageNetClasses {
  const wnids = lines(wnidsTxt);
  if (
    wnids.length === 0 ||
    new Set(wnids).size !== wnids.length ||
    wnids.some((id) => !/^n\d{8}$/.test(id))
  ) {
    throw new FormatError('The list of classes is damaged.', {
      where: `${location}: wnids.txt`,
      expected: 'one WordNet id a line (n and 8 digits), none twice',
      received: wnids.length === 0 ? 'an empty file' : `${wnids.length} lines, some not so`,
      fix: 'Download the data set again.',
    });
  }
  const words = new Map(
    lines(wordsTxt).map((line): [string, string] => {
      const tab = line.indexOf('\t');
      return [line.slice(0, tab), line.slice(tab + 1).trim()];
    }),
  );
  return { wnids, names: wnids.map((id) => words.get(id) ?? id) };
}

/**
 * Parses `val/val_annotations.txt` (file, WordNet id and a box, tab separated) to the id of each file.
 *
 * @throws FormatError naming the line that is damaged.
 */
export function parseValAnnotations(text: string, location: string): ReadonlyMap<string, string> {
  const ids = new Map<string, string>();
  lines(text).forEach((line, i) => {
    const [file, wnid] = line.split('\t');
    if (file === undefined || wnid === undefined || file === '' || wnid === '') {
      throw new FormatError('The validation labels are damaged.', {
        where: `${location}: val/val_annotations.txt, line ${i + 1}`,
        expected: 'a file name and a WordNet id, tab separated',
        received: JSON.stringify(line.slice(0, 80)),
        fix: 'Download the data set again.',
      });
    }
    ids.set(file, wnid);
  });
  return ids;
}

function lines(text: string): string[] {
  return text.split(/\r?\n/).filter((line) => line !== '');
}
