import { main } from '@kora-bench/bench/cli';
import { expect, test, vi } from 'vitest';

interface Params {
  readonly model: string;
  readonly classes: number;
  readonly backboneParameters: number;
  readonly methods: readonly {
    method: string;
    options: Record<string, unknown>;
    trainable: number;
    share: number;
  }[];
}

async function params(...args: readonly string[]): Promise<Params> {
  let stdout = '';
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    stdout += String(text);
    return true;
  });
  expect(await main(['params', '--json', ...args])).toBe(0);
  write.mockRestore();
  return JSON.parse(stdout) as Params;
}

test('counts for ViT-B/16 and 100 classes are the published integers', async () => {
  const result = await params('--model', 'vit_base_patch16_224', '--classes', '100');
  expect(result).toMatchObject({
    model: 'vit_base_patch16_224',
    classes: 100,
    backboneParameters: 86_567_656,
  });
  const trainable = (name: string, options: object) =>
    result.methods
      .filter(
        ({ method, options: own }) =>
          method === name && Object.entries(options).every(([k, v]) => own[k] === v),
      )
      .map((one) => one.trainable);
  expect(trainable('lora', { rank: 8, includeUnusedClassifier: true })).toEqual([1_270_692]);
  expect(trainable('kora-chain', { dComp: 4, trainFinalProjection: false })).toEqual([1_590_224]);
  expect(trainable('kora-chain', { dComp: 8, trainFinalProjection: false })).toEqual([1_926_940]);
});

test('--method takes presets, and the share is the published tuned %', async () => {
  const { methods } = await params(
    '--model',
    'vit_base_patch16_224',
    '--classes',
    '100',
    '--method',
    'lora:published',
  );
  expect(methods).toHaveLength(1);
  expect(methods[0]!.share).toBeCloseTo(0.014466, 6);
  expect(Object.keys(methods[0]!)).toEqual(['method', 'options', 'trainable', 'share']);
});
