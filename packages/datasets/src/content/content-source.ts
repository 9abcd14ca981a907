import { FormatError } from '@kora-bench/core/errors';

/** A file of a data set, in a folder or in an archive. */
export interface ContentEntry {
  /** Path below the root of the data set, `/` separated. */
  readonly path: string;
  /** Size in bytes, not compressed. */
  readonly size: number;
}

/** Random access to the files of a data set; the same for a folder and for an archive of it. */
export interface ContentSource {
  /** The folder or archive, for messages. */
  readonly location: string;
  /** The folder in it that is the root of the data set, ending in `/`, or empty. */
  readonly root: string;
  readonly entries: readonly ContentEntry[];
  open(): Promise<ContentReader>;
  /** CRC-32 of these entries, by default of all, in order: what tells one content from another. */
  checksums(entries?: readonly number[]): Promise<readonly number[]>;
}

/** What part of a folder or an archive is a data set. */
export interface ContentSelection {
  /**
   * The folder that is the root of the data set, ending in `/` or empty, given all paths; undefined when it
   * is not there.
   */
  root(paths: readonly string[]): string | undefined;
  /** What marks the root, for the message when it is not there, e.g. `one file named wnids.txt`. */
  readonly expected: string;
  /** Tells which paths below the root to list; default all. */
  wanted?(path: string): boolean;
  /** Of a folder on the disk: tells which folders below it to enter; default all. */
  enters?(path: string): boolean;
}

/** The root is the folder of the only file of this name. */
export function rootByMarker(marker: string): Pick<ContentSelection, 'root' | 'expected'> {
  return {
    expected: `one file named ${marker}`,
    root(paths) {
      const found = paths.filter((path) => path === marker || path.endsWith(`/${marker}`));
      return found.length === 1 ? found[0]!.slice(0, -marker.length) : undefined;
    },
  };
}

/** Names of what editors, systems and file managers leave in folders and archives; folders so named are not entered. */
const leftBehind =
  /^(?:\..*|Thumbs\.db|ehthumbs\.db|desktop\.ini|__MACOSX|@eaDir|\$RECYCLE\.BIN|System Volume Information|lost\+found|~\$.*|.*\.lock)$/i;

/** Whether a file or folder of this name is no data, e.g. `.DS_Store`, `Thumbs.db`, `__MACOSX` or a lock. */
export function isNotData(name: string): boolean {
  return leftBehind.test(name);
}

/**
 * The root and the entries of a data set among all files found, in the order of a directory walk.
 *
 * @throws FormatError when the root is not there
 */
export function selectEntries<E extends ContentEntry>(
  location: string,
  all: readonly E[],
  selection: ContentSelection,
): { readonly root: string; readonly entries: readonly E[] } {
  // Of two with the same path in an archive the later one counts, as for programs that unpack it.
  const byPath = new Map(all.map((entry): [string, E] => [entry.path, entry]));
  const visible = [...byPath.values()].filter(({ path }) => !path.split('/').some(isNotData));
  const root = selection.root(visible.map(({ path }) => path));
  if (root === undefined) {
    throw new FormatError('The data set is not in here.', {
      where: location,
      expected: selection.expected,
      received: `none such among ${visible.length} files`,
      fix: 'Download or unpack the data set again, or name its folder.',
    });
  }
  const { wanted = () => true } = selection;
  const entries = visible
    .filter(({ path }) => path.startsWith(root))
    .map((entry) => ({ ...entry, path: entry.path.slice(root.length) }))
    .filter(({ path }) => wanted(path))
    .sort((a, b) => walkOrder(a.path, b.path));
  return { root, entries };
}

/**
 * Reads small text files of a data set.
 *
 * @throws FormatError when one is not there, or cannot be read
 */
export async function readTexts<P extends string>(
  source: ContentSource,
  paths: readonly P[],
): Promise<Readonly<Record<P, string>>> {
  const reader = await source.open();
  try {
    const texts: Partial<Record<P, string>> = {};
    for (const path of paths) {
      const entry = source.entries.findIndex((candidate) => candidate.path === path);
      if (entry < 0) {
        throw new FormatError('The data set is not complete.', {
          where: source.location,
          expected: `a file ${path}`,
          received: 'none',
          fix: 'Download or unpack the data set again.',
        });
      }
      texts[path] = new TextDecoder().decode(await reader.read(entry));
    }
    return texts as Record<P, string>;
  } finally {
    await reader.close();
  }
}

/** The lines of a text that are not empty, without line ends and spaces around them. */
export function linesOf(text: string): string[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

export interface ContentReader {
  /**
   * Reads one file, given by its place in `entries`, into a buffer of its own.
   *
   * @throws FormatError when it cannot be read as promised.
   */
  read(entry: number): Promise<Uint8Array<ArrayBuffer>>;
  close(): Promise<void>;
}

/**
 * Order of a directory walk sorted by name: path by path, folder by folder, by code point.
 * `a/b` comes before `a-b/c`, other than in an order of whole strings.
 */
export function walkOrder(a: string, b: string): number {
  const left = a.split('/');
  const right = b.split('/');
  for (let i = 0; i < left.length && i < right.length; i++) {
    if (left[i] !== right[i]) return left[i]! < right[i]! ? -1 : 1;
  }
  return left.length - right.length;
}
