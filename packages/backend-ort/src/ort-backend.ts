import type {
  Backend,
  CompositeKind,
  DeviceState,
  Executable,
  HostTensors,
  Program,
  Weights,
} from '@kora-bench/core';
import { checkWeights, RunQueue } from '@kora-bench/core';
import type { OrtDevice } from './devices.js';
import type { Engine } from './engine/engine.js';
import { openSession } from './engine/session.js';
import { nativeComposites } from './export/emit-composite.js';
import { exportProgram } from './export/export-program.js';
import type { OrtOptions } from './options.js';
import { OrtExecutable } from './ort-executable.js';
import { OrtState } from './ort-state.js';
import { prepareProgram } from './prepare-program.js';

/** onnxruntime on one execution provider. Runs are queued: they never overlap. */
export class OrtBackend implements Backend {
  readonly name = 'onnxruntime';
  readonly device: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly composites: ReadonlySet<CompositeKind> = nativeComposites;
  readonly #engine: Engine;
  readonly #device: OrtDevice;
  readonly #options: OrtOptions;
  readonly #queue = new RunQueue();
  readonly #executables: Executable[] = [];

  constructor(engine: Engine, device: OrtDevice, options: OrtOptions) {
    this.#engine = engine;
    this.#device = device;
    this.#options = options;
    const { threads } = options;
    this.device = device === 'cpu' ? `cpu (${threads} thread${threads === 1 ? '' : 's'})` : device;
    this.versions = { 'onnxruntime-node': engine.env.versions.node ?? 'unknown' };
  }

  async compile(program: Program, weights: Weights): Promise<Executable> {
    checkWeights(program, weights);
    const threads = this.#device === 'cpu' ? this.#options.threads : undefined;
    const model = exportProgram(prepareProgram(program, threads), weights);
    const session = await openSession(this.#engine, model, this.#device, this.#options);
    const profiled = this.#options.profile !== undefined;
    const executable = new OrtExecutable(this.#engine, this.#queue, program, session, profiled);
    this.#executables.push(executable);
    return executable;
  }

  async createState(values: HostTensors): Promise<DeviceState> {
    return new OrtState(this.#engine, this.#queue, values);
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#executables.splice(0).map((executable) => executable.dispose()));
  }
}
