import type { ImageSplit, Preprocessing } from '@kora-bench/core/data';
import type { HostTensor } from '@kora-bench/core/graph';
import { GraphBuilder, type Tensor } from '@kora-bench/core/graph';
import { makeProgram } from '@kora-bench/core/passes';
import { imagesFeed } from '@kora-bench/core/training';
import { fixedBatches, inOrder } from './batches.js';
import { withSession } from './session.js';
import type { TrainerContext } from './train.js';
import type { SiteInputs, WeightStore } from './weights.js';

export interface SiteInputsSpec {
  readonly split: ImageSplit;
  readonly preprocessing: Preprocessing;
  readonly batchSize: number;
}

/** What the layers of the untouched backbone read of the first images of a split. */
export function siteInputsOf(
  { backend, model }: Pick<TrainerContext, 'backend' | 'model'>,
  weights: WeightStore,
  { split, preprocessing, batchSize }: SiteInputsSpec,
): SiteInputs {
  return async (sites, batches) => {
    const builder = new GraphBuilder();
    const images = builder.feed(imagesFeed, [batchSize, 3, ...model.imageSize]);
    const inputs = new Map<string, Tensor>();
    model.forward(images, {
      weight: (name) => builder.frozen(name, model.weights.get(name)!),
      hooks: {
        value(site) {
          if (sites.includes(site.name)) inputs.set(site.name, site.input);
          return site.value;
        },
      },
    });
    const program = makeProgram(Object.fromEntries(inputs));
    const seen = new Map<string, HostTensor[]>(sites.map((site) => [site, []]));
    await withSession({ backend, program, weights: weights.values }, async (session) => {
      const reader = await split.open(preprocessing);
      try {
        const order = inOrder(Math.min(batches * batchSize, split.length));
        for await (const batch of fixedBatches({ split, reader, order, batchSize, preprocessing })) {
          const found = await session.run({ [imagesFeed]: batch.images }, [...inputs.keys()]);
          for (const [site, { dtype, data, shape }] of Object.entries(found)) {
            const size = data.length / batchSize;
            const real = data.slice(0, batch.count * size);
            seen.get(site)!.push({ dtype, shape: [batch.count, ...shape.slice(1)], data: real });
          }
        }
      } finally {
        await reader.close();
      }
    });
    return seen;
  };
}
