import { CheckpointError, formatShape, sameShape, type VitConfig, vitWeightShapes } from '@kora-bench/core';
import type { TensorLayout } from './tensor-layout.js';

/** How many tensors a message names before it counts the rest. */
const NAMED = 5;

/**
 * Whether a file holds exactly the tensors of a model, by name and shape.
 * @param where the weights' file, for messages
 * @throws CheckpointError naming the tensors that are missing, misshapen or unknown to the architecture
 */
export function checkLayout(tensors: TensorLayout, config: VitConfig, where: string): void {
  const wanted = vitWeightShapes(config);
  const missing = [...wanted].filter(([name]) => !tensors.has(name));
  if (missing.length > 0) {
    throw new CheckpointError(`The checkpoint lacks ${count(missing.length)} of ${config.name}.`, {
      where,
      expected: list(missing.map(([name, shape]) => `${name} ${formatShape(shape)}`)),
      received: `${tensors.size} other tensors`,
      fix: `Use the complete weights of ${config.name}, with timm’s or transformers’ tensor names.`,
    });
  }
  const misshapen = [...wanted].filter(([name, shape]) => !sameShape(tensors.get(name)!.shape, shape));
  if (misshapen.length > 0) {
    throw new CheckpointError(`${count(misshapen.length)} of the checkpoint do not fit ${config.name}.`, {
      where,
      expected: list(misshapen.map(([name, shape]) => `${name} ${formatShape(shape)}`)),
      received: list(misshapen.map(([name]) => `${name} ${formatShape(tensors.get(name)!.shape)}`)),
      fix: 'Use the weights of this very model, or name the model that the weights belong to.',
    });
  }
  const surplus = [...tensors.keys()].filter((name) => !wanted.has(name));
  if (surplus.length > 0) {
    throw new CheckpointError(
      `The checkpoint has ${count(surplus.length)} that ${config.name} does not have.`,
      {
        where,
        expected: `the ${wanted.size} tensors of a plain Vision Transformer`,
        received: list(surplus.map((name) => `${name} ${formatShape(tensors.get(name)!.shape)}`)),
        fix: 'Use a plain ViT: without layer scale, register or distillation tokens, query and key norms or pooling heads.',
      },
    );
  }
}

const count = (n: number) => `${n} ${n === 1 ? 'tensor' : 'tensors'}`;

function list(items: readonly string[]): string {
  const rest = items.length - NAMED;
  return items.slice(0, NAMED).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}
