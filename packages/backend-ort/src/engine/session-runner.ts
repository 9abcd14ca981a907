import type { InferenceSession } from 'onnxruntime-node';
import { reasonOf } from './engine.js';
import { runError } from './run-error.js';
import type { Runner, Tensors } from './runner.js';

/** A program in one session. */
export class SessionRunner implements Runner {
  readonly inputNames: ReadonlySet<string>;
  readonly #session: InferenceSession;
  readonly #profiled: boolean;

  constructor(session: InferenceSession, profiled: boolean) {
    this.inputNames = new Set(session.inputNames);
    this.#session = session;
    this.#profiled = profiled;
  }

  async run(inputs: Tensors, results: Tensors): Promise<void> {
    try {
      await this.#session.run(inputs, results);
    } catch (cause) {
      throw runError(reasonOf(cause), cause);
    }
  }

  async dispose(): Promise<void> {
    if (this.#profiled) this.#session.endProfiling();
    await this.#session.release();
  }
}
