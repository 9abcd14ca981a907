import type { CompiledProgram } from './build-program.js';
import type { EncodedRun } from './encode-run.js';
import { encodeRun } from './encode-run.js';
import type { RunPlaces } from './run-places.js';
import { placesAfter, samePlaces } from './run-places.js';

/**
 * Encodes the runs of a program. Encoding takes the host longer than submitting, and a device has nothing to
 * do when a run that is waited for has ended; so the commands of the next run are encoded while it works.
 * Which that is can only be guessed: one like the last. Once it was, its successor is encoded ahead.
 */
export class RunEncoder {
  readonly #compiled: CompiledProgram;
  #guess: RunPlaces | undefined;
  #guessedRight = false;
  #ahead: EncodedRun | undefined;

  constructor(compiled: CompiledProgram) {
    this.#compiled = compiled;
  }

  /** The commands of a run. */
  encode(places: RunPlaces): EncodedRun {
    this.#guessedRight = this.#guess !== undefined && samePlaces(this.#guess, places);
    const ahead = this.#ahead;
    this.#ahead = undefined;
    if (ahead !== undefined && this.#guessedRight) return ahead;
    ahead?.readback.dispose();
    return encodeRun(this.#compiled, places);
  }

  /** Encodes what should come next. To be called when the run with these places was submitted. */
  encodeNext(places: RunPlaces): void {
    this.#guess = placesAfter(places);
    if (this.#guessedRight) this.#ahead = encodeRun(this.#compiled, this.#guess);
  }

  dispose(): void {
    this.#ahead?.readback.dispose();
    this.#ahead = undefined;
  }
}
