import { referenceBackend } from '@kora-bench/backend-reference';
import { matrixProduct, vitLoraStep } from '@kora-bench/testing/timed-programs';
import { toyVit } from '@kora-bench/testing/vit-configs';
import { expect, it } from 'vitest';

it('a step of LoRA trains: the loss falls on the same batch', async () => {
  const { program, weights, state, feeds } = vitLoraStep(4, { model: toyVit, rank: 2, classes: 5 });
  const backend = await referenceBackend.create('cpu', { lower: false });
  const executable = await backend.compile(program, weights);
  const held = await backend.createState(state);
  const losses: number[] = [];
  for (let step = 0; step < 20; step++) {
    const { loss } = await executable.run({ feeds: feeds(step), state: held, fetch: ['loss'] });
    losses.push(loss!.data[0]!);
  }
  expect(losses.at(-1)).toBeLessThan(losses[0]!);
});

it('is the same in every call', () => {
  const options = { model: toyVit, rank: 2, classes: 5 };
  const [one, two] = [vitLoraStep(2, options), vitLoraStep(2, options)];
  expect(one.weights).toEqual(two.weights);
  expect(one.state).toEqual(two.state);
  expect(one.feeds(3)).toEqual(two.feeds(3));
});

it('a product and its corner', async () => {
  const { program, weights, state, flops } = matrixProduct(3);
  const backend = await referenceBackend.create('cpu', { lower: false });
  const executable = await backend.compile(program, weights);
  const held = await backend.createState(state);
  const { y, corner } = await executable.run({ feeds: {}, state: held, fetch: ['y', 'corner'] });
  const w = weights.get('w')!.data;
  const expected = [0, 1, 2].reduce((total, k) => total + state.x.data[k]! * w[3 * k]!, 0);
  expect(y!.data[0]).toBeCloseTo(expected, 12);
  expect([...corner!.data]).toEqual([y!.data[0]]);
  expect(flops).toBe(54);
});
