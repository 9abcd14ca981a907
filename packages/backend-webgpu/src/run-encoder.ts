import type { CompiledProgram } from './build-program.js';
import type { KernelTimer } from './device/kernel-timer.js';
import { StagingBuffers } from './device/staging-buffers.js';
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
  readonly #staging: StagingBuffers;
  #guess: RunPlaces | undefined;
  #guessedRight = false;
  #ahead: EncodedRun | undefined;

  constructor(compiled: CompiledProgram) {
    this.#compiled = compiled;
    this.#staging = new StagingBuffers(compiled.device);
  }

  /** The commands of a run. */
  encode(places: RunPlaces, timer?: KernelTimer): EncodedRun {
    this.#guessedRight = this.#guess !== undefined && samePlaces(this.#guess, places);
    const ahead = this.#ahead;
    this.#ahead = undefined;
    if (ahead !== undefined && this.#guessedRight && timer === undefined) return ahead;
    ahead?.readback.dispose();
    return encodeRun(this.#compiled, this.#staging, places, timer);
  }

  /** Encodes what should come next. To be called when the run with these places was submitted. */
  encodeNext(places: RunPlaces): void {
    this.#guess = placesAfter(places);
    if (this.#guessedRight) this.#ahead = encodeRun(this.#compiled, this.#staging, this.#guess);
  }

  dispose(): void {
    this.#ahead?.readback.dispose();
    this.#ahead = undefined;
    this.#staging.dispose();
  }
}
