import { readFileSync } from 'node:fs';
import { patchTokens } from '@kora-bench/core/nn';
import { initialValue } from '@kora-bench/core/peft';
import type { ImageTokens } from '@kora-bench/core/training';
import { buildLayersProgram, traceModel } from '@kora-bench/core/training';
import vpt from '@kora-bench/method-vpt';
import { depthTask, segmentationTask } from '@kora-bench/tasks';
import { logits, startValues, toyTask } from '@kora-bench/testing/method-questions';
import { describeMethod } from '@kora-bench/testing/method-suite';
import { replayTraining } from '@kora-bench/testing/replay-training';
import { toyVit, vitBase } from '@kora-bench/testing/vit-configs';
import { expect, test } from 'vitest';

describeMethod(vpt, {
  forms: { 'with dropout': { tokens: 3, dropout: 0.5 } },
  refused: [
    [{ tokens: 0 }, /tokens/],
    [{ tokens: 1025 }, /tokens/],
    [{ depth: 'middle' }, /depth/],
    [{ dropout: 1 }, /dropout/],
  ],
  counts: [
    [{}, 12 * 10 * 768 + 76_900],
    [{ depth: 'shallow', tokens: 50 }, 50 * 768 + 76_900],
  ],
});

test.each(['shallow', 'deep'])('%s: three steps are those of the formula in PyTorch', async (depth) => {
  const file = readFileSync(new URL(`fixtures/${depth}.safetensors`, import.meta.url));
  const { losses, parameters } = await replayTraining(vpt, { depth, tokens: 3 }, file);
  expect(losses).toBeLessThan(1e-6);
  for (const [parameter, difference] of parameters) expect(difference, parameter).toBeLessThan(1e-6);
});

const traced = (given: object, task = toyTask) =>
  traceModel(
    {
      model: toyVit,
      method: { definition: vpt, options: vpt.options.parse(given) },
      task,
      batchSize: 2,
      stage: 'train',
      trains: () => true,
    },
    { training: true },
  );

test.each(['shallow', 'deep'])(
  '%s: the class token is first, then the prompts, then the patches',
  (depth) => {
    const { output } = traced({ depth, tokens: 3 });
    for (const { value, layout } of [...output.blocks, output.tokens]) {
      expect(layout.prefix).toEqual(['class', 'prompt', 'prompt', 'prompt']);
      expect(value.shape).toEqual([2, 1 + 3 + 4, 12]);
    }
    expect(patchTokens(output.tokens).shape).toEqual([2, 4, 12]);
  },
);

test.each(['shallow', 'deep'])('%s: depth and segmentation predict from the patches', (depth) => {
  expect(traced({ depth }, depthTask()).prediction.shape).toEqual([2, 16, 16]);
  const segmentation = segmentationTask({ classNames: ['a', 'b', 'c'], blocks: [0, -1] });
  expect(traced({ depth }, segmentation).prediction.shape).toEqual([2, 2, 2, 3]);
});

test.each(['shallow', 'deep'])('%s: prompts are none of the tokens that stand for an image', (depth) => {
  const spec = {
    model: toyVit,
    method: { definition: vpt, options: vpt.options.parse({ depth }) },
    task: toyTask,
    batchSize: 2,
    stage: 'train',
    trains: () => false,
  };
  const featuresOf = (tokens: ImageTokens) =>
    buildLayersProgram(spec, { layers: ['attn', 'output'], tokens }).layers.map(({ features }) => features);
  expect(featuresOf('class')).toEqual([12, 12, 12, 12]);
  expect(featuresOf('all')).toEqual(new Array<number>(4).fill((1 + 4) * 12));
});

test('deep prompts stand in the place of those of the block before, whose outputs nothing reads', async () => {
  const values = await startValues(vpt);
  const without = new Map(values).set('blocks.1.prompts', {
    ...values.get('blocks.1.prompts')!,
    data: new Float32Array(10 * 12),
  });
  expect(await logits(vpt, without)).not.toEqual(await logits(vpt, values));
});

test('prompts start uniform in ±√(6 / (3·P² + D))', () => {
  const specs = vpt.parameters(vitBase, vpt.options.parse({ tokens: 100 }));
  const bound = Math.sqrt(6 / (3 * 16 ** 2 + 768));
  const largest = Math.max(...initialValue(specs[3]!, 0).map(Math.abs));
  expect(largest).toBeLessThanOrEqual(bound);
  expect(largest).toBeGreaterThan(0.99 * bound);
});

test('dropout asks for noise of its own in every block and example', () => {
  const { noise } = traced({ dropout: 0.25, tokens: 3 });
  expect(noise.map(({ shape, keep }) => [shape, keep])).toEqual([
    [[2, 3, 12], 0.75],
    [[2, 3, 12], 0.75],
  ]);
});

test('a model with rectangular attention bias is refused by name', () => {
  const model = { ...toyVit, acceptsPrompts: false };
  expect(() => vpt.parameters(model, vpt.options.parse({}))).toThrow(/toy-vit cannot take prompts/);
});
