import type { Preprocessing } from '@kora-bench/core/data';
import { InputError } from '@kora-bench/core/errors';
import { type HostTensor, hostTensor, type Weights } from '@kora-bench/core/graph';
import type { VitConfig } from '@kora-bench/core/nn';

/** A Vision Transformer, to be written as a checkpoint. */
export interface CheckpointToWrite {
  /** Its own classifier is not looked at: `head` takes its place. */
  readonly config: VitConfig;
  readonly preprocessing: Preprocessing;
  /** The backbone's weights by timm's names. */
  readonly weights: Weights;
  /** `[C, D]`, and `[C]` where there is one; absent for a checkpoint without a classifier. */
  readonly head?: { readonly weight: HostTensor; readonly bias?: HostTensor };
  /** Of the head's outputs. */
  readonly classNames?: readonly string[];
}

/** The files of a checkpoint folder by their names. */
export type CheckpointFiles = ReadonlyMap<string, string | Uint8Array>;

export const jsonFile = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** A head's bias, zeros where it has none: both libraries' classifiers have one. */
export function biasOf({ weight, bias }: NonNullable<CheckpointToWrite['head']>): HostTensor {
  const classes = weight.shape[0]!;
  return bias ?? hostTensor([classes], new Float32Array(classes));
}

/** One number for a square. */
export const side = ([height, width]: readonly [number, number]): number | readonly number[] =>
  height === width ? height : [height, width];

/**
 * The error for a model that a library cannot express.
 * @param feature what it has, or lacks, in words that go on from "because of"
 */
export function inexpressible(library: string, feature: string, name: string): InputError {
  return new InputError(`${library} cannot express this model, because of ${feature}.`, {
    where: name,
    expected: `a model that ${library} can load`,
    received: feature,
    fix: `Write it for ${library === 'timm' ? 'transformers' : 'timm'} instead.`,
  });
}
