import type { Tensor } from 'onnxruntime-node';

/** Named tensors, by the names that the model gives its inputs and outputs. */
export type Tensors = Readonly<Record<string, Tensor>>;

/** What computes the outputs of an exported program. */
export interface Runner {
  /** The inputs that it needs; a rewriting pass can find that a declared one is never needed. */
  readonly inputNames: ReadonlySet<string>;
  /** @param results memory for what is wanted, written when the promise resolves */
  run(inputs: Tensors, results: Tensors): Promise<void>;
  dispose(): Promise<void>;
}
