import type { Preprocessing } from '@kora-bench/core/data';
import type { VitConfig } from '@kora-bench/core/nn';

/** What a checkpoint's configuration files say, whichever library wrote them. */
export interface CheckpointConfig {
  /** The architecture's name, or the folder's if the file has none. */
  readonly name: string;
  /** Geometry as far as the file states it; whatever can be seen in the tensors is checked against them. */
  readonly stated: Partial<Omit<VitConfig, 'name' | 'imageSize' | 'layerNormEps' | 'numClasses'>>;
  readonly imageSize: readonly [height: number, width: number];
  readonly layerNormEps: number;
  readonly preprocessing: Preprocessing;
  readonly notes: readonly string[];
}
