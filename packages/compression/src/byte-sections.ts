import { FormatError } from '@kora-bench/core/errors';

/** Bytes behind each other. */
export function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Reads sections of bytes in their order; their lengths follow from what the reader knows. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** @throws FormatError where there are fewer bytes */
  take(count: number): Uint8Array {
    if (this.#at + count > this.#bytes.length) throw this.#damaged(`at least ${this.#at + count} bytes`);
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }

  rest(): Uint8Array {
    return this.take(this.#bytes.length - this.#at);
  }

  /** @throws FormatError where bytes are left */
  end(): void {
    if (this.#at !== this.#bytes.length) throw this.#damaged(`${this.#at} bytes`);
  }

  #damaged(expected: string): FormatError {
    return new FormatError('An update has another length than its tensors need.', {
      expected,
      received: `${this.#bytes.length} bytes`,
      fix: 'Encode the update again, with the same tensors in the same order.',
    });
  }
}
