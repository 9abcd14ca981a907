import type { Backend } from '@kora-bench/core/backend';
import { GraphBuilder, type HostTensor } from '@kora-bench/core/graph';
import type { Checkpoint } from '@kora-bench/core/nn';
import { linear } from '@kora-bench/core/ops';
import { makeProgram } from '@kora-bench/core/passes';

/** Logits `[B, C]` and features `[B, D]` of a checkpoint with its own classifier. */
export async function forward(
  backend: Backend,
  { model, tensors }: Checkpoint,
  images: HostTensor,
): Promise<{ logits: ArrayLike<number>; features: ArrayLike<number> }> {
  const builder = new GraphBuilder();
  const weight = (name: string) => builder.frozen(name, tensors.get(name)!.shape);
  const { features } = model.forward(builder.feed('images', images.shape), { weight, hooks: {} });
  const logits = linear(features, weight('head.weight'), weight('head.bias'));
  const executable = await backend.compile(makeProgram({ logits, features }), tensors);
  try {
    const out = await executable.run({ feeds: { images }, fetch: ['logits', 'features'] });
    return { logits: out.logits!.data, features: out.features!.data };
  } finally {
    await executable.dispose();
  }
}

/** The largest distance between two rows of numbers of the same length. */
export function maxDistance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let most = 0;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i]! - b[i]!));
  return most;
}
