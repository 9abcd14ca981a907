import definition from '@kora-bench/backend-tfjs';
import type { HostTensor } from '@kora-bench/core/graph';
import { hostTensor } from '@kora-bench/core/graph';
import { defaultAdamW, imagesFeed } from '@kora-bench/core/training';
import { vitLoraStep } from '@kora-bench/testing/timed-programs';
import { toyVit, toyVitConfig } from '@kora-bench/testing/vit-configs';
import { expect, it } from 'vitest';

const learningRate = 1e-3;
const step = vitLoraStep(2, { model: toyVit, rank: 2, classes: 5, learningRate });

/** The step's start values by the names of the method `lora`. */
function trainedValues(): Map<string, HostTensor> {
  const flat = step.state['parameters']!.data;
  return new Map(
    step.layout.entries.map(({ name, offset, size, shape }) => [
      name.replace(/lora_[AB]$/, '$&.weight'),
      hostTensor(shape, flat.slice(offset, offset + size)),
    ]),
  );
}

const training = (options: unknown) => ({
  model: toyVitConfig,
  method: { definition: step.method.definition, options },
  weights: step.weights,
  parameters: trainedValues(),
  updates: new Map(),
  optimizer: defaultAdamW,
  learningRate,
  images: step.feeds(0)[imagesFeed]!,
  labels: step.feeds(0)['label']!,
});

it('the peer has the backend’s losses over five steps', async () => {
  const peer = await definition.peer!.create(
    'cpu',
    training({ rank: 2, alpha: 2, scaling: 'alpha/r', targets: 'all-linear' }),
  );
  const backend = await definition.create('cpu', {});
  const executable = await backend.compile(step.program, step.weights);
  const state = await backend.createState(step.state);
  for (let i = 0; i < 5; i++) {
    const { loss } = await executable.run({ feeds: step.feeds(i), state, fetch: ['loss'] });
    expect(await peer.step()).toBeCloseTo(loss!.data[0]!, 4);
  }
  await peer.dispose();
  await backend.dispose();
});

it('the peer refuses a training that it does not have', async () => {
  const other = training({ rank: 2, alpha: 2, scaling: 'alpha/r', targets: ['attn.q'] });
  await expect(definition.peer!.create('cpu', other)).rejects.toMatchObject({
    code: 'INPUT',
    where: 'method',
  });
});
