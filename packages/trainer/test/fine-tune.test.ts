import { classification, depth } from '@kora-bench/tasks';
import type { FineTuneSpec, ProgressEvent } from '@kora-bench/trainer';
import { fineTune, initialCheckpoint, WeightStore } from '@kora-bench/trainer';
import { describe, expect, it } from 'vitest';
import {
  checkpoint,
  everything,
  model,
  preprocessing,
  staged,
  toyContext,
  toyDataset,
  toySplit,
} from './toy.js';

async function spec(changes: Partial<FineTuneSpec> = {}): Promise<FineTuneSpec> {
  const { backend } = await toyContext();
  return {
    backend,
    checkpoint: checkpoint(),
    method: staged.definition,
    task: classification,
    data: toyDataset(),
    training: { epochs: 12, batchSize: 8, learningRate: 0.03 },
    ...changes,
  };
}

describe('fineTune', () => {
  it('trains on a data set and scores it on another split', async () => {
    const events: ProgressEvent[] = [];
    const data = toyDataset();
    const fitted = await fineTune(await spec({ data, report: (event) => events.push(event) }));
    expect(fitted.training.map(({ name, epochs }) => [name, epochs])).toEqual([
      ['part', 3],
      ['whole', 12],
    ]);
    const losses = fitted.training[1]!.losses;
    expect(losses.at(-1)!.loss).toBeLessThan(losses[0]!.loss / 2);
    const { values, examples, scores } = await fitted.evaluate(data.test);
    expect(examples).toBe(12);
    expect(values['top1']).toBeGreaterThan(0.5);
    expect(scores['correct']).toHaveLength(12);
    const phases = events.flatMap((event) => (event.kind === 'phase' ? [event.phase] : []));
    expect(phases).toContain('fine-tune/whole');
    expect(phases).toContain('evaluate test');
  });

  it('gives all weights, and apart from them those that training made', async () => {
    const short = { training: { epochs: 1, batchSize: 8, learningRate: 0.01 } };
    const fitted = await fineTune(await spec(short));
    expect([...fitted.trained.keys()]).toEqual(['first', 'second', 'head.weight', 'head.bias']);
    const { tensors } = checkpoint();
    expect([...fitted.weights.keys()].toSorted()).toEqual(
      [...tensors.keys(), ...fitted.trained.keys()].toSorted(),
    );
    const full = await fineTune(await spec({ ...short, method: everything.definition }));
    expect([...full.trained.keys()]).toEqual([...tensors.keys(), 'head.weight', 'head.bias']);
    expect(full.trained.get('norm.weight')!.data).not.toEqual(tensors.get('norm.weight')!.data);
  });

  it('is the same for the same seed, and another for another one', async () => {
    const short = { training: { epochs: 1, batchSize: 8, learningRate: 0.01 } };
    const head = async (seed: number) => {
      const { trained } = await fineTune(await spec({ ...short, seed }));
      return [...trained.get('head.weight')!.data];
    };
    expect(await head(3)).toEqual(await head(3));
    expect(await head(4)).not.toEqual(await head(3));
  });

  it('tells observers every stage', async () => {
    const names: string[] = [];
    await fineTune(
      await spec({
        training: { epochs: 2, batchSize: 8, learningRate: 0.01 },
        observers: [{ started: ({ name }) => void names.push(name) }],
      }),
    );
    expect(names).toEqual(['fine-tune/part', 'fine-tune/whole']);
  });

  it('refuses unknown options, and data without the task’s targets', async () => {
    await expect(fineTune(await spec({ options: { rank: 3 } }))).rejects.toThrow(/rank/);
    await expect(fineTune(await spec({ task: depth, data: toyDataset() }))).rejects.toThrow(/depth/);
    const data = { name: 'toy', train: toySplit(8, { depth: true }).split, test: toySplit(4).split };
    await expect(fineTune(await spec({ data }))).rejects.toMatchObject({ code: 'INPUT' });
  });
});

describe('weights', () => {
  it('leave out the checkpoint’s own classifier', () => {
    const weights = new WeightStore({
      tensors: new Map(
        ['head.weight', 'norm.weight'].map((name) => [
          name,
          { dtype: 'f32', shape: [1], data: Float32Array.of(1) },
        ]),
      ),
      fingerprint: 'a',
    });
    expect([...weights.values.keys()]).toEqual(['norm.weight']);
  });

  it('can be forked, and know which are still the checkpoint’s', () => {
    const weights = new WeightStore(checkpoint());
    const fork = weights.fork();
    fork.set('norm.weight', { dtype: 'f32', shape: [12], data: new Float32Array(12) });
    expect(fork.isPretrained('norm.weight')).toBe(false);
    expect(weights.isPretrained('norm.weight')).toBe(true);
    expect(fork.fork().isPretrained('norm.weight')).toBe(false);
    expect(weights.isPretrained('head.weight')).toBe(false);
  });

  it('of an untrained backbone start as timm starts them', () => {
    const { tensors } = initialCheckpoint(model, preprocessing, 0);
    expect(tensors.get('norm.weight')!.data.every((value) => value === 1)).toBe(true);
    expect(tensors.get('blocks.0.attn.qkv.bias')!.data.every((value) => value === 0)).toBe(true);
    const { data } = tensors.get('blocks.0.mlp.fc1.weight')!;
    expect(Math.max(...data.map(Math.abs))).toBeLessThanOrEqual(0.04);
    expect(tensors.get('cls_token')!.data.every((value) => Math.abs(value) < 1e-5)).toBe(true);
  });
});
