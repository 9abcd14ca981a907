import type { Backend, DeviceState, Executable } from '@kora-bench/core/backend';
import { checkWeights, RunQueue } from '@kora-bench/core/backend';
import type { HostTensors, Program, Weights } from '@kora-bench/core/graph';
import type { Engine, OrtDevice } from './engine/engine.js';
import type { OrtOptions } from './engine/options.js';
import type { Runner } from './engine/session.js';
import { openSession, SessionRunner } from './engine/session.js';
import { WeightFile } from './engine/weight-file.js';
import { exportProgram } from './export/export-program.js';
import { encodeModel } from './onnx/onnx-schema.js';
import { OrtExecutable, OrtState } from './ort-executable.js';
import { ReplicatedRunner } from './replicas/replicated-runner.js';
import type { SharedBatch } from './replicas/share-batch.js';
import { shareBatch } from './replicas/share-batch.js';
import type { PreparedProgram } from './rewrite/prepare-program.js';
import { arrangeProgram, lowerProgram } from './rewrite/prepare-program.js';

/** onnxruntime on one execution provider. Runs are queued: they never overlap. */
export class OrtBackend implements Backend {
  readonly name = 'onnxruntime';
  readonly device: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly #engine: Engine;
  readonly #device: OrtDevice;
  readonly #options: OrtOptions;
  readonly #queue = new RunQueue();
  readonly #executables: Executable[] = [];
  readonly #weightFile = new WeightFile();

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
    const { threads, replicas } = this.#options;
    const onCpu = this.#device === 'cpu';
    const sessions = replicas ? { count: threads, threads: 1 } : { count: 1, threads };
    const lowered = lowerProgram(program, onCpu ? sessions : undefined);
    const shared = onCpu && replicas ? shareBatch(lowered, threads) : undefined;
    const runner =
      shared === undefined
        ? await this.#openSession(
            arrangeProgram(lowered, onCpu ? threads : undefined),
            weights,
            this.#options,
          )
        : await this.#openReplicas(shared, weights);
    const executable = new OrtExecutable(this.#engine, this.#queue, program, runner);
    this.#executables.push(executable);
    return executable;
  }

  async createState(values: HostTensors): Promise<DeviceState> {
    return new OrtState(this.#engine, this.#queue, values);
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#executables.splice(0).map((executable) => executable.dispose()));
    this.#weightFile.dispose();
  }

  async #openSession(prepared: PreparedProgram, weights: Weights, options: OrtOptions): Promise<Runner> {
    const model = encodeModel(exportProgram(prepared, weights, this.#weightFile));
    const program = { model, weightFolder: this.#weightFile.folder };
    const session = await openSession(this.#engine, program, this.#device, options);
    return new SessionRunner(session, options.profile !== undefined);
  }

  async #openReplicas(shared: SharedBatch, weights: Weights): Promise<Runner> {
    const options = { ...this.#options, threads: 1 };
    // First on this thread: how numbers below float32's range count is a setting that new threads inherit.
    const rest = await this.#openSession(arrangeProgram(shared.rest, 1), weights, options);
    try {
      const part = arrangeProgram(shared.part, options.threads);
      const model = encodeModel(exportProgram(part, weights, this.#weightFile));
      const weightFolder = this.#weightFile.folder;
      return await ReplicatedRunner.open(
        { engine: this.#engine, shared, part: { model, weightFolder }, rest },
        options,
      );
    } catch (error) {
      await rest.dispose();
      throw error;
    }
  }
}
