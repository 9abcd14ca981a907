import type { DataContext, Preprocessing } from '@kora-bench/core/data';
import type { Architecture, Checkpoint } from '@kora-bench/core/nn';
import type { LoadOptions } from '../checkpoint/load-checkpoint-folder.js';

/** Where weights are looked for; a `DataContext` serves. */
export type ModelContext = Pick<DataContext, 'dataDir'>;

/** What a model package registers. Everything but `load` is known without the weights. */
export interface ModelDefinition {
  /** Registered name, timm's where timm has the model. */
  readonly name: string;
  readonly description: string;
  /** The architecture, with the classifier that its checkpoint brings along. */
  readonly model: Architecture;
  /** How images are prepared; the loaded checkpoint's own configuration has the last word. */
  readonly preprocessing: Preprocessing;
  /** The weights come with the package: nothing to download. */
  readonly embedded: boolean;
  /** What to download and where to put it; empty if embedded. */
  readonly howToGet: string;
  /** The repository on the Hugging Face hub that `download` fetches; absent if there is none. */
  readonly hubRepo?: string;
  /** Throws what `load` would, as far as the headers of the files show it; absent where there is nothing to look at. */
  check?(context: ModelContext): Promise<void>;
  /**
   * @throws MissingDataError when the weights are not there
   * @throws FormatError when a file is truncated, corrupt or foreign
   * @throws CheckpointError when the tensors do not fit the geometry
   * @throws InputError when `options` cannot be met
   */
  load(context: ModelContext, options?: LoadOptions): Promise<Checkpoint>;
}
