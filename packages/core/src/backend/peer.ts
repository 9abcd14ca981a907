import type { VitConfig } from '../nn/vit-config.js';
import type { ConfiguredMethod } from '../peft/method.js';
import type { UpdateFactors } from '../peft/parameter.js';
import type { HostTensor, Weights } from '../tensor/host-tensor.js';
import type { OptimizerConfig } from '../training/optimizer.js';

/**
 * A training step as users of an engine's own library write it, with its layers, its gradients and its
 * optimiser, on the same device: what a backend is measured beside.
 */
export interface PeerDefinition {
  /** The library and how it is used, e.g. `tfjs, tf.variableGrads`. */
  readonly name: string;
  /**
   * @param device one of the backend's devices
   * @throws BackendError when the library is not available
   * @throws InputError for a model or a method that the peer does not have
   */
  create(device: string, training: PeerTraining): Promise<Peer>;
}

/** What is trained: classification by a linear head, with the mean cross-entropy of a batch as the loss. */
export interface PeerTraining {
  readonly model: VitConfig;
  readonly method: ConfiguredMethod;
  /** Frozen weights by timm's names. */
  readonly weights: Weights;
  /** Start values of all that trains, by name. */
  readonly parameters: Weights;
  /** Of the parameters whose learning rate or weight decay has a factor. */
  readonly updates: ReadonlyMap<string, UpdateFactors>;
  readonly optimizer: OptimizerConfig;
  readonly learningRate: number;
  /** `[B, 3, H, W]`, the same in every step. */
  readonly images: HostTensor;
  /** `[B]`. */
  readonly labels: HostTensor;
}

/** A training in progress. */
export interface Peer {
  /** One step. @returns the loss before it, once the device is done with the step */
  step(): Promise<number>;
  /** The largest resident set of the process that the peer has to itself, in bytes. */
  peakMemoryBytes?(): Promise<number>;
  /** Versions of what computes, by name, where the suite's own packages do not tell them. */
  readonly versions?: Readonly<Record<string, string>>;
  dispose(): Promise<void>;
}
