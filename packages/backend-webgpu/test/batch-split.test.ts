import definition from '@kora-bench/backend-webgpu';
import { describeTraining, methodTrainingCases, toyTrainingCases } from '@kora-bench/conformance';
import type { Backend, BackendDefinition } from '@kora-bench/core/backend';
import type { HostTensors, Program, Weights } from '@kora-bench/core/graph';
import { expect } from 'vitest';
import { withAdapter } from './with-adapter.js';

/** Lets no program have the memory that its whole batch takes. */
class TightBackend implements Backend {
  readonly name = definition.name;
  readonly #roomy: Backend;
  readonly #options: object;
  #tight: Backend | undefined;

  constructor(roomy: Backend, options: object) {
    this.#roomy = roomy;
    this.#options = options;
  }

  get device() {
    return this.#roomy.device;
  }

  get versions() {
    return this.#roomy.versions;
  }

  async compile(program: Program, weights: Weights) {
    const whole = await this.#roomy.compile(program, weights);
    const { plannedBytes, weightBytes, stateBytes } = whole.memory!;
    await whole.dispose();
    const memoryLimitBytes = plannedBytes + weightBytes + stateBytes - 1;
    await this.#tight?.dispose();
    this.#tight = await definition.create('gpu', {
      ...definition.options.parse(this.#options),
      memoryLimitBytes,
    });
    const parts = await this.#tight.compile(program, weights);
    expect(parts.memory!.parts).toBeGreaterThan(1);
    return parts;
  }

  createState(values: HostTensors) {
    return this.#tight!.createState(values);
  }

  async dispose() {
    await this.#tight?.dispose();
    await this.#roomy.dispose();
  }
}

const tight: BackendDefinition = {
  ...definition,
  create: async (device, options) =>
    new TightBackend(await definition.create(device, definition.options.parse(options)), options as object),
};

/*
 * Splitting itself is held against the whole batch in float64 for every case (packages/conformance); here it is
 * the kernels, uploads, copies and sums of this backend. Of cases as small as these, not all take less in parts.
 */
const chosen = [
  'a linear autoencoder, SGD with momentum',
  'lora published, classification',
  'lora peft, classification',
  'adapter-fusion, fusion, classification',
  'kora, classification',
  'lora published, depth',
  'kora, depth',
].map((start) => {
  const found = [...toyTrainingCases, ...methodTrainingCases].find(({ name }) => name.startsWith(start));
  if (found === undefined) throw new RangeError(`No training case is named "${start}…".`);
  return found;
});

withAdapter(() => {
  describeTraining(tight, chosen, { timeout: 300_000 });
});
