import type { ComputedNode, EagerEngine, Kernel } from '@kora-bench/core/backend';
import { BackendError } from '@kora-bench/core/errors';
import type { DType, GraphNode, HostData, HostTensor } from '@kora-bench/core/graph';
import type { Tensor } from '@tensorflow/tfjs-core';
import type { OpenTfjs } from '../devices/devices.js';
import { failure } from '../devices/failures.js';
import { engineTraits } from '../rewrite/engine-traits.js';
import { type CallKernel, dtypes, kernelOf } from './kernels.js';

const storage = { f32: Float32Array, i32: Int32Array, bool: Uint8Array } as const;

/** One engine of tfjs, told op by op what to compute. Its tensors belong to none of tfjs's scopes. */
export class TfjsEngine implements EagerEngine<Tensor> {
  readonly finish?: () => Promise<void>;
  readonly #open: OpenTfjs;

  constructor(open: OpenTfjs) {
    this.#open = open;
    const { finish } = open;
    if (finish !== undefined) this.finish = finish;
  }

  upload({ dtype, shape, data }: HostTensor): Tensor {
    return this.#attempt('taking over a value', () =>
      this.#open.engine().makeTensor(copyOf(dtype, data), [...shape], dtypes[dtype]),
    );
  }

  async download(value: Tensor, { dtype, shape }: GraphNode): Promise<HostTensor> {
    try {
      const data = (await value.data()) as HostData;
      // An engine in JavaScript hands out the array that it computes in.
      return { dtype, shape, data: copyOf(dtype, data) };
    } catch (cause) {
      throw failure(this.#open.device, 'reading a value', cause);
    }
  }

  kernel(node: ComputedNode, operands: readonly GraphNode[]): Kernel<Tensor> {
    const { calls, compute } = kernelOf(node, operands, engineTraits[this.#open.device]);
    const what = node.scope === '' ? node.op.kind : `${node.op.kind} in ${node.scope}`;
    const missing = calls.find((kernel) => !this.#open.hasKernel(kernel));
    if (missing !== undefined) {
      throw new BackendError(`tfjs:${this.#open.device} cannot compute ${what}.`, {
        where: what,
        expected: `a kernel named ${missing}`,
        received: 'none registered for this engine',
        fix: 'Choose another device of tfjs, or another backend.',
      });
    }
    return (values) => this.#attempt(what, () => compute(this.#call, values));
  }

  share(value: Tensor): Tensor {
    const { dataId, shape, dtype } = value;
    return this.#attempt('sharing a value', () => {
      const engine = this.#open.engine();
      engine.backend.incRef(dataId);
      return engine.makeTensorFromTensorInfo({ dataId, shape, dtype });
    });
  }

  release(value: Tensor): void {
    value.dispose();
  }

  readonly #call: CallKernel = (kernel, inputs, attributes) =>
    this.#open.engine().runKernel(kernel, inputs as never, attributes as never) as Tensor;

  /** Runs `work`, and makes an error of the suite of what the engine throws. */
  #attempt(what: string, work: () => Tensor): Tensor {
    try {
      return work();
    } catch (cause) {
      throw failure(this.#open.device, what, cause);
    }
  }
}

function copyOf(dtype: DType, data: HostData): Float32Array | Int32Array | Uint8Array {
  return storage[dtype].from(data);
}
