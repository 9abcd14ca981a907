import type { Backend, BackendDefinition, EagerEngine } from '@kora-bench/core/backend';
import { EagerExecutable, EagerState, RunQueue } from '@kora-bench/core/backend';
import { BackendError } from '@kora-bench/core/errors';
import type { CompositeKind, HostTensor } from '@kora-bench/core/graph';
import { compositeKinds, definitionOf } from '@kora-bench/core/ops';
import { lowerComposites } from '@kora-bench/core/passes';
import { z } from 'zod';

const optionsSchema = z.strictObject({
  /**
   * Lower all composites into primitives instead of evaluating each by its own definition. The two
   * ways must agree, which is how lowerings are tested.
   */
  lower: z.boolean().default(false),
});

export type ReferenceOptions = z.infer<typeof optionsSchema>;

/** The float64 interpreter: the oracle that every other backend is measured against. */
export const referenceBackend: BackendDefinition<ReferenceOptions> = {
  name: 'reference',
  description: 'Float64 interpreter of the op definitions: slow, deterministic, the oracle of every test.',
  defaultDevice: 'cpu',
  devices: ['cpu'],
  options: optionsSchema,
  async create(device, options) {
    if (device !== 'cpu') {
      throw new BackendError(`The reference backend has no device "${device}".`, {
        expected: 'cpu',
        received: device,
        fix: 'Use reference:cpu.',
      });
    }
    return createBackend(options);
  },
  async probe() {
    return [{ device: 'cpu', available: true, detail: 'cpu (float64 interpreter, 1 thread)' }];
  },
};

function createBackend({ lower }: ReferenceOptions): Backend {
  const composites: ReadonlySet<CompositeKind> = new Set(lower ? [] : compositeKinds);
  const queue = new RunQueue();
  return {
    name: 'reference',
    device: 'cpu (float64 interpreter, 1 thread)',
    versions: {},
    async compile(program, weights) {
      const prepared = lowerComposites(program, composites);
      return new EagerExecutable({ engine, queue, given: program, prepared, weights });
    },
    async createState(values) {
      return new EagerState(engine, queue, values);
    },
    async dispose() {},
  };
}

/** Each op by its own reference evaluation. Values are never written into, so handles may share their data. */
const engine: EagerEngine<HostTensor> = {
  upload: toFloat64,
  download: toFloat64,
  kernel: (node) => (operands) => definitionOf(node.op).evaluate(node.op, operands, node),
  share: (value) => value,
  release: () => undefined,
};

/** A copy of `tensor` in the storage that ops are evaluated in: float64 for real numbers. */
function toFloat64({ dtype, shape, data }: HostTensor): HostTensor {
  switch (dtype) {
    case 'f32':
      return { dtype, shape, data: Float64Array.from(data) };
    case 'i32':
      return { dtype, shape, data: Int32Array.from(data) };
    case 'bool':
      return { dtype, shape, data: Uint8Array.from(data) };
  }
}
