import { FormatError } from '../errors/kora-error.js';
import type { Shape } from '../graph/shape.js';
import { formatShape, sameShape } from '../graph/shape.js';
import { readSafetensors } from '../safetensors/read.js';
import type { HostTensor } from '../tensor/host-tensor.js';

/** The file that holds an adapter's tensors. */
export const adapterFile = 'adapter_model.safetensors';

/** The tensors of an adapter, each to be taken once; what is left over belongs to nothing that was understood. */
export class AdapterTensors {
  readonly #left: Map<string, HostTensor>;

  /** @throws FormatError for a file that is corrupt, or a tensor that is not of real, finite numbers */
  constructor(safetensors: Uint8Array) {
    this.#left = readSafetensors(safetensors, adapterFile).tensors;
    for (const [name, tensor] of this.#left) requireReal(name, tensor);
  }

  /** Names of the tensors that nobody has taken. */
  get left(): readonly string[] {
    return [...this.#left.keys()];
  }

  /** `undefined` where there is no such tensor. */
  shapeOf(name: string): Shape | undefined {
    return this.#left.get(name)?.shape;
  }

  /** @throws FormatError where it is missing or of another shape */
  take(name: string, shape: Shape): HostTensor {
    const tensor = this.#left.get(name);
    if (tensor === undefined || !sameShape(tensor.shape, shape)) {
      throw new FormatError('A tensor of the adapter does not fit the model.', {
        where: `${adapterFile}: ${name}`,
        expected: formatShape(shape),
        received: tensor === undefined ? 'nothing' : formatShape(tensor.shape),
        fix: 'Read it with the model that it was trained on.',
      });
    }
    this.#left.delete(name);
    return tensor;
  }

  /** Passes a tensor over. */
  leaveOut(name: string): void {
    this.#left.delete(name);
  }
}

function requireReal(name: string, { data, dtype }: HostTensor): void {
  if (!(data instanceof Float32Array)) {
    throw new FormatError('A tensor of the adapter is not stored as real numbers.', {
      where: `${adapterFile}: ${name}`,
      expected: 'F32, F16, BF16 or F64',
      received: dtype,
      fix: 'Save the adapter without quantising it.',
    });
  }
  const at = data.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  throw new FormatError('A number of the adapter is not finite.', {
    where: `${adapterFile}: ${name}, element ${at}`,
    expected: 'finite numbers',
    received: String(data[at]),
    fix: 'Copy or download the file again; if it stays so, the training that saved it diverged: use an earlier save.',
  });
}
