import { sizeOf } from '@kora-bench/core/graph';
import type { Architecture } from '@kora-bench/core/nn';
import { models, resolveModel } from '@kora-bench/models';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from './checkpoint-folder.js';

const parameters = ({ weights, classifier }: Architecture) =>
  [...weights.values(), ...classifier.values()].reduce((sum, shape) => sum + sizeOf(shape), 0);

describe('the registry', () => {
  // The counts of timm's own models with their classifiers of 1000.
  test.each([
    ['vit_tiny_patch16_224', 5_717_416],
    ['vit_small_patch16_224', 22_050_664],
    ['vit_base_patch16_224', 86_567_656],
    ['vit_base_patch32_224', 88_224_232],
    ['vit_large_patch16_224', 304_326_632],
    ['vit_small_patch16_384', 22_196_584],
    ['vit_base_patch8_224', 86_576_872],
  ])('knows that %s has %i parameters, without its weights', async (name, count) => {
    expect(parameters((await resolveModel(name)).model)).toBe(count);
  });

  test('has each name once, and says for each model that must be downloaded what and where to', () => {
    expect(new Set(models.map(({ name }) => name)).size).toBe(models.length);
    for (const model of models.filter(({ embedded }) => !embedded)) {
      expect(model.howToGet).toContain(
        `/timm/${model.name}.augreg_in21k_ft_in1k/resolve/main/model.safetensors`,
      );
      expect(model.howToGet).toContain(`models/${model.name}`);
    }
  });

  test('names the valid models and the nearest for an unknown one', async () => {
    await expect(resolveModel('vit_tiny_patch16_225')).rejects.toMatchObject({
      code: 'INPUT',
      expected: expect.stringContaining('vit_micro_patch8_64, vit_tiny_patch16_224'),
      fix: 'Did you mean vit_tiny_patch16_224?',
    });
  });

  test('says what to download and where to when the weights are not there', async () => {
    const dataDir = await temporaryFolder();
    const model = await resolveModel('vit_tiny_patch16_224');
    await expect(model.load({ dataDir })).rejects.toMatchObject({
      code: 'MISSING_DATA',
      where: expect.stringContaining('vit_tiny_patch16_224'),
      fix: expect.stringContaining(
        'https://huggingface.co/timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k/resolve/main/config.json',
      ),
    });
  });
});
