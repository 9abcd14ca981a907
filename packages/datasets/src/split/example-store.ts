import type { StoredImage } from '../decode/stored-image.js';

/** The stored examples of one split. */
export interface ExampleStore {
  open(): Promise<ExampleReader>;
}

export interface ExampleReader {
  /**
   * Reads one example as stored. Its bytes belong to the caller.
   *
   * @throws FormatError when the data set is damaged.
   */
  read(index: number): Promise<StoredImage>;
  /** Names an example in a message, e.g. `data.zip: train/a.JPEG`. */
  where(index: number): string;
  close(): Promise<void>;
}
