import type { Preprocessing } from '../data/preprocessing.js';

/** The geometry of a Vision Transformer in timm's terms. */
export interface VitConfig {
  /** Registered name, e.g. `vit_tiny_patch16_224`. */
  readonly name: string;
  /** Input height and width in pixels. */
  readonly imageSize: readonly [height: number, width: number];
  /** Side of a square patch in pixels. */
  readonly patchSize: number;
  /** Embedding width D. */
  readonly width: number;
  /** Number of blocks. */
  readonly depth: number;
  readonly heads: number;
  /** Hidden width of the MLP; 4·D in the standard models. */
  readonly mlpWidth: number;
  /** Classes of the checkpoint's own classifier; 0 if it has none. */
  readonly numClasses: number;
  readonly layerNormEps: number;
}

/** A backbone with its weights. */
export interface Checkpoint {
  readonly config: VitConfig;
  readonly preprocessing: Preprocessing;
  /** Tensors by timm's names (`blocks.0.attn.qkv.weight`), float32. */
  readonly tensors: ReadonlyMap<string, import('../tensor/host-tensor.js').HostTensor>;
  /** SHA-256 (hex) of the weights file; the key of feature caches. */
  readonly fingerprint: string;
  /** What a reader of results must know, e.g. what the weights were trained on. */
  readonly notes: readonly string[];
}
