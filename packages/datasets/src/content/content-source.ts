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
  readonly entries: readonly ContentEntry[];
  open(): Promise<ContentReader>;
  /** CRC-32 of each entry, in order: what tells one content from another. */
  checksums(): Promise<readonly number[]>;
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
