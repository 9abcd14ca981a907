import { CheckpointError } from '@kora-bench/core/errors';
import type { Shape } from '@kora-bench/core/graph';
import { formatShape, sameShape, sizeOf } from '@kora-bench/core/graph';
import { featuresOfTensors } from './unsupported-features.js';

/** A run of numbers of a stored tensor, and where it goes in a tensor of the model. */
export interface Piece {
  readonly stored: string;
  /** The first number and how many. */
  readonly from: number;
  readonly length: number;
  /** The place of the first number in the model's tensor. */
  readonly to: number;
}

/** A tensor of the model as it lies in the file. Pieces that fall on the same place are added. */
export interface StoredTensor {
  readonly shape: Shape;
  readonly pieces: readonly Piece[];
}

/** The tensors of a file by timm's names. */
export type TensorLayout = ReadonlyMap<string, StoredTensor>;

/** A stored tensor taken as it is, in `shape` if that is another one of as many numbers. */
export function wholeTensor(stored: string, storedShape: Shape, shape = storedShape): StoredTensor {
  return { shape, pieces: [{ stored, from: 0, length: sizeOf(storedShape), to: 0 }] };
}

/** timm's names are the model's own: everything is taken as it is. */
export function timmLayout(shapes: ReadonlyMap<string, Shape>): TensorLayout {
  return new Map([...shapes].map(([stored, shape]) => [stored, wholeTensor(stored, shape)]));
}

/** How many tensors a message names before it counts the rest. */
const named = 5;

/**
 * Whether a file holds exactly the tensors of a model, by name and shape.
 * @param model its name and the tensors that it must have
 * @param where the weights' file, for messages
 * @throws CheckpointError naming the tensors that are missing, misshapen or unknown to the model
 */
export function checkLayout(
  tensors: TensorLayout,
  model: { readonly name: string; readonly shapes: ReadonlyMap<string, Shape> },
  where: string,
): void {
  const { name: title, shapes: wanted } = model;
  const missing = [...wanted].filter(([name]) => !tensors.has(name));
  if (missing.length > 0) {
    const names = missing.map(([name]) => name);
    throw new CheckpointError(
      `The checkpoint lacks ${count(missing.length)} of ${title}${belonging(names)}.`,
      {
        where,
        expected: list(missing.map(([name, shape]) => `${name} ${formatShape(shape)}`)),
        received: `${tensors.size} other tensors`,
        fix: `Use the complete weights of ${title} with their own configuration, with timm’s or transformers’ tensor names.`,
      },
    );
  }
  const misshapen = [...wanted].filter(([name, shape]) => !sameShape(tensors.get(name)!.shape, shape));
  if (misshapen.length > 0) {
    const does = misshapen.length === 1 ? 'does' : 'do';
    throw new CheckpointError(`${count(misshapen.length)} of the checkpoint ${does} not fit ${title}.`, {
      where,
      expected: list(misshapen.map(([name, shape]) => `${name} ${formatShape(shape)}`)),
      received: list(misshapen.map(([name]) => `${name} ${formatShape(tensors.get(name)!.shape)}`)),
      fix: 'Use this model’s own weights, or name the model that the weights belong to.',
    });
  }
  const surplus = [...tensors.keys()].filter((name) => !wanted.has(name));
  if (surplus.length > 0) {
    throw new CheckpointError(
      `The checkpoint has ${count(surplus.length)} that ${title} does not have${belonging(surplus)}.`,
      {
        where,
        expected: `the ${wanted.size} tensors that its configuration asks for`,
        received: list(surplus.map((name) => `${name} ${formatShape(tensors.get(name)!.shape)}`)),
        fix: 'Use the configuration that belongs to these weights. Without these tensors, the outputs would be wrong.',
      },
    );
  }
}

/** The features that tensors are there for, as far as their names tell. */
function belonging(names: readonly string[]): string {
  const features = featuresOfTensors(names);
  return features.length === 0 ? '' : `: ${features.join(', ')}`;
}

const count = (n: number) => `${n} ${n === 1 ? 'tensor' : 'tensors'}`;

function list(items: readonly string[]): string {
  const rest = items.length - named;
  return items.slice(0, named).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}
