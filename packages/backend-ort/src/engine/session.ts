import { BackendError } from '@kora-bench/core/errors';
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Engine, OrtDevice } from './engine.js';
import { reasonOf } from './engine.js';
import type { OrtOptions } from './options.js';

/** Named tensors, by the names that the model gives its inputs and outputs. */
export type Tensors = Readonly<Record<string, Tensor>>;

/** Computes the outputs of an exported program. */
export interface Runner {
  /** The inputs that it needs; a rewriting pass can find that a declared one is never needed. */
  readonly inputNames: ReadonlySet<string>;
  /** @param results memory for what is wanted, written when the promise resolves */
  run(inputs: Tensors, results: Tensors): Promise<void>;
  dispose(): Promise<void>;
}

/** An encoded program. */
export interface EncodedProgram {
  readonly model: Uint8Array;
  /** Of the file with its large weights; absent where it has none. */
  readonly weightFolder?: string | undefined;
}

/**
 * Opens a session for an encoded program.
 * @throws BackendError when the engine refuses it
 */
export async function openSession(
  engine: Engine,
  { model, weightFolder }: EncodedProgram,
  device: OrtDevice,
  options: OrtOptions,
): Promise<InferenceSession> {
  try {
    return await engine.InferenceSession.create(model, sessionOptions(device, options, weightFolder));
  } catch (cause) {
    throw refusal(device, reasonOf(cause), cause);
  }
}

/** The error for a program that the engine refuses. */
export function refusal(device: OrtDevice, reason: string, cause?: unknown): BackendError {
  return new BackendError('onnxruntime refused the program.', {
    where: `onnxruntime:${device}`,
    received: reason,
    fix: 'This is a bug in the backend: please report it with the program. Other backends can run it.',
    ...(cause === undefined ? {} : { cause }),
  });
}

function sessionOptions(
  device: OrtDevice,
  options: OrtOptions,
  weightFolder: string | undefined,
): InferenceSession.SessionOptions {
  return {
    executionProviders: [device],
    // Programs are one chain of large operators: the threads belong inside them, not beside each other.
    executionMode: 'sequential',
    interOpNumThreads: 1,
    intraOpNumThreads: options.threads,
    graphOptimizationLevel: optimizationLevel[options.optimization],
    logSeverityLevel: 4,
    extra: {
      session: {
        intra_op: { allow_spinning: options.spin ? '1' : '0' },
        set_denormal_as_zero: options.denormals === 'zero' ? '1' : '0',
        ...(weightFolder && { model_external_initializers_file_folder_path: weightFolder }),
      },
    },
    ...(options.profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: options.profile }),
  };
}

const optimizationLevel = { all: 'all', basic: 'basic', none: 'disabled' } as const;

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

/** The error for a run that failed inside onnxruntime. */
export function runError(reason: string, cause?: unknown): BackendError {
  return new BackendError('onnxruntime failed to run the program.', {
    where: 'onnxruntime',
    received: reason,
    fix: 'If memory ran out, use a smaller batch; otherwise please report it.',
    ...(cause === undefined ? {} : { cause }),
  });
}
