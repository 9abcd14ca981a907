import type { Preprocessing } from '@kora-bench/core/data';
import type { VitConfig } from '@kora-bench/core/nn';

/** What a configuration says about the model itself; the rest is seen in its tensors. */
export type Stated = Partial<Omit<VitConfig, 'name' | 'imageSize' | 'numClasses' | 'headBias'>>;

/** What a checkpoint's configuration files say, whichever library wrote them. */
export interface CheckpointConfig {
  /** The architecture's name, or the folder's if the file has none. */
  readonly name: string;
  /** The field that states the number of heads, which no tensor shows. */
  readonly headsField: string;
  /** What can be seen in the tensors is checked against them. */
  readonly stated: Stated;
  /** Height and width in pixels that the weights are made for. */
  readonly imageSize: readonly [height: number, width: number];
  /** Its image size differs from the weights' where their positions must be interpolated. */
  readonly preprocessing: Preprocessing;
  readonly notes: readonly string[];
}
