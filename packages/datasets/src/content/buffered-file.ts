import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const WINDOW_BYTES = 2 ** 20;

/** Reads a file through a window of 1 MiB: many small reads close together cost one. */
export class BufferedFile {
  readonly size: number;
  readonly #descriptor: number;
  readonly #window = Buffer.alloc(WINDOW_BYTES);
  #start = 0;
  #length = 0;

  /** @throws a system error when the file cannot be opened. */
  constructor(path: string) {
    this.#descriptor = openSync(path, 'r');
    this.size = fstatSync(this.#descriptor).size;
  }

  /** Fills `target` from `position` on and returns the bytes read: fewer only at the end of the file. */
  read(target: Buffer, position: number): number {
    if (target.length > WINDOW_BYTES) return readSync(this.#descriptor, target, 0, target.length, position);
    if (position < this.#start || position + target.length > this.#start + this.#length) {
      this.#start = position;
      this.#length = readSync(this.#descriptor, this.#window, 0, WINDOW_BYTES, position);
    }
    const from = position - this.#start;
    return this.#window.copy(target, 0, from, Math.min(from + target.length, this.#length));
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}
