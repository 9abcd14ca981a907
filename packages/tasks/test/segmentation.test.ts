import type { HostTensor } from '@kora-bench/core/graph';
import { hostTensor } from '@kora-bench/core/graph';
import { formatMetric, primaryMetric } from '@kora-bench/core/training';
import { segmentation, segmentationTask } from '@kora-bench/tasks';
import { describe, expect, it } from 'vitest';
import {
  batchSize,
  difference,
  evaluateIn,
  fixture,
  type Numbers,
  onFeatures,
  openToy,
  real,
  toyModel,
  whole,
} from './toy.js';

const classNames = ['sky', 'wall', 'floor', 'cup'];
const [height, width] = toyModel.imageSize;
/** Left and right halves differ, a stripe belongs to no class. */
const mask = hostTensor(
  [batchSize, height, width],
  Int32Array.from({ length: batchSize * height * width }, (_, i) => {
    const x = i % width;
    return x === 5 ? -1 : Number(x > 5) + 2 * Number(i % (height * width) > (height * width) / 2);
  }),
);
const targets = { mask };

interface Scores {
  readonly classNames: readonly string[];
  readonly logits: Numbers;
  readonly mask: Numbers;
  readonly mIoU: number;
  readonly iou: readonly number[];
  readonly pixelAccuracy: number;
  readonly meanClassAccuracy: number;
  readonly labelledImages: readonly number[];
  readonly images: Readonly<Record<'mIoU' | 'pixelAccuracy' | 'loss', readonly number[]>>;
}

describe('the segmentation evaluator', () => {
  const expected = fixture<Scores>('segmentation-scores');
  const [prediction, truth] = [real(expected.logits), whole(expected.mask)];
  const task = segmentationTask({ classNames: expected.classNames });

  it.each([5, 2, 1])('gives torchmetrics’ scores, in batches of %i', (size) => {
    const { result, scores } = evaluateIn(task.evaluator(), prediction, { mask: truth }, size);
    expect(result.examples).toBe(5);
    expect(result.values.mIoU).toBeCloseTo(expected.mIoU, 6);
    expect(result.values.pixelAccuracy).toBeCloseTo(expected.pixelAccuracy, 6);
    expect(result.values.meanClassAccuracy).toBeCloseTo(expected.meanClassAccuracy, 6);
    const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
    expect(result.values.imageMIoU).toBeCloseTo(mean(expected.images.mIoU), 6);
    expect(result.values.loss).toBeCloseTo(mean(expected.images.loss), 12);
    for (const [name, values] of Object.entries(expected.images)) {
      const found = scores.get(name)!;
      expect(
        difference(
          expected.labelledImages.map((i) => found[i]!),
          values,
        ),
      ).toBeLessThan(1e-6);
      expect(found[3]).toBeNaN();
    }
  });

  it('tells each class’s own scores by name; a class that is nowhere has none', () => {
    const { result } = evaluateIn(task.evaluator(), prediction, { mask: truth });
    const classes = result.details.classes as { name: string; iou: number | null; accuracy: number | null }[];
    expect(classes.map(({ name }) => name)).toEqual(expected.classNames);
    expect(
      difference(
        classes.slice(0, 5).map(({ iou }) => iou!),
        expected.iou.slice(0, 5),
      ),
    ).toBeLessThan(1e-6);
    expect(classes[5]).toMatchObject({ iou: null, accuracy: null, pixels: 0 });
    // Predicted, but never there: it counts in mIoU and not in the accuracy of classes.
    expect(classes[3]).toMatchObject({ iou: 0, accuracy: null });
    expect(result.details.labelledImages).toBe(4);
  });

  it('has a value for every metric, and one metric to judge by', () => {
    const { values } = evaluateIn(task.evaluator(), prediction, { mask: truth }).result;
    expect(Object.keys(values).sort()).toEqual(task.metrics.map(({ key }) => key).sort());
    const primary = primaryMetric(task.metrics);
    expect([primary.key, formatMetric(primary, values.mIoU!), primary.unit]).toEqual(['mIoU', '10.4', '%']);
  });

  it('says what the best constant answer scores: the share of the largest class’s pixels', () => {
    const { chance } = evaluateIn(task.evaluator(), prediction, { mask: truth }).result;
    const counts = new Map<number, number>();
    for (const label of truth.data) if (label !== -1) counts.set(label, (counts.get(label) ?? 0) + 1);
    const all = [...counts.values()].reduce((sum, count) => sum + count, 0);
    expect(chance).toEqual({ pixelAccuracy: Math.max(...counts.values()) / all });
  });

  it('refuses what makes no sense, and is then as it was', () => {
    const evaluator = task.evaluator();
    evaluator.add({ prediction, targets: { mask: truth } });
    const before = evaluator.result();
    const changed = (tensor: HostTensor, at: number, value: number) => {
      const data = tensor.data.slice();
      data[at] = value;
      return { ...tensor, data };
    };
    expect(() => evaluator.add({ prediction, targets: { mask: changed(truth, 2, 6) } })).toThrow(
      expect.objectContaining({
        code: 'INPUT',
        where: 'mask[2]',
        expected: 'a class from 0 to 5, or -1 for none',
        received: '6',
        fix: expect.stringContaining('name for every class'),
      }),
    );
    expect(() => evaluator.add({ prediction, targets: { mask: changed(truth, 0, -2) } })).toThrow(/class/);
    expect(() =>
      evaluator.add({ prediction: changed(prediction, 9, Number.NaN), targets: { mask: truth } }),
    ).toThrow(expect.objectContaining({ code: 'TRAINING', where: 'prediction[9]' }));
    const cut = hostTensor([4, 7, 10], truth.data.slice(0, 280));
    expect(() => evaluator.add({ prediction, targets: { mask: cut } })).toThrow(
      expect.objectContaining({ code: 'SHAPE' }),
    );
    expect(evaluator.result()).toEqual(before);
    expect(() => task.evaluator().result()).toThrow(/no pixel that belongs to a class/);
  });
});

describe('the segmentation head', () => {
  it('reads the last block and the class token by default; further blocks are joined', () => {
    const shapes = (blocks?: number[]) =>
      segmentationTask({ classNames, ...(blocks && { blocks }) })
        .parameters(toyModel)
        .map(({ name, shape }) => [name, shape]);
    expect(shapes()).toEqual([
      ['head.weight', [4, 2 * 8]],
      ['head.bias', [4]],
    ]);
    expect(shapes([0, -2, -1])[0]).toEqual(['head.weight', [4, 4 * 8]]);
  });

  it('predicts the logits of patches on their grid', async () => {
    const { predict } = await openToy({ task: segmentationTask({ classNames }), targets });
    expect((await predict()).shape).toEqual([batchSize, 2, 3, 4]);
  });

  it.each([
    ['the last block', {}],
    ['all blocks, with the last norm', { blocks: [0, 1, -1] }],
    ['a middle block without it', { blocks: [1], norm: false }],
    ['every second pixel in the loss', { lossStride: 2 }],
  ])('learns a batch from %s', async (_name, options) => {
    const task = segmentationTask({ classNames, ...options });
    const toy = await openToy({ task, targets, learningRate: 1 });
    const miou = async () => {
      const prediction = await toy.predict();
      return evaluateIn(task.evaluator(), prediction, targets).result.values;
    };
    const [before, first] = [await miou(), await toy.train()];
    for (let step = 0; step < 60; step++) await toy.train();
    const [after, last] = [await miou(), await toy.train()];
    expect(last.loss).toBeLessThan(0.75 * first.loss);
    expect(after.mIoU!).toBeGreaterThan(before.mIoU! + 0.1);
  });

  it('trains on the loss that the evaluator tells', async () => {
    const task = segmentationTask({ classNames });
    const toy = await openToy({ task, targets });
    const { result } = evaluateIn(task.evaluator(), await toy.predict(), targets);
    expect((await toy.train()).loss).toBeCloseTo(result.values.loss!, 12);
  });

  it('with several blocks and the norm, the last is what it is alone', async () => {
    const gradientOf = async (blocks: number[]) => {
      const task = segmentationTask({ classNames, blocks });
      const zeroed = { ...task, parameters: () => zeroHead(task.parameters(toyModel)) };
      return (await (await openToy({ task: zeroed, targets })).train()).gradients.get('head.weight')!;
    };
    const [alone, both] = [await gradientOf([-1]), await gradientOf([0, -1])];
    const columns = ({ shape, data }: HostTensor, from: number) =>
      [...data].filter((_, i) => i % shape[1]! >= from);
    expect(difference(columns(both, 8), columns(alone, 0))).toBeLessThan(1e-12);
  });

  it('lets a method take part that changes nothing but the class token', async () => {
    const toy = await openToy({ task: segmentationTask({ classNames }), targets, method: onFeatures });
    const { gradients } = await toy.train();
    expect(Math.max(...gradients.get('own')!.data.map(Math.abs))).toBeGreaterThan(1e-6);
  });

  it.each([[[3]], [[-4]], [[0, 7]]])('refuses blocks %j of a model with 3', (blocks) => {
    expect(() => segmentationTask({ classNames, blocks }).parameters(toyModel)).toThrow(
      expect.objectContaining({
        code: 'INPUT',
        where: expect.stringMatching(/^segmentation option blocks\[\d\]$/),
        expected: expect.stringContaining('from 0 to 2'),
        received: JSON.stringify(blocks).replaceAll(',', ', '),
        fix: expect.stringContaining('−1 is the last'),
      }),
    );
  });

  it('refuses a block named twice, and a stride that does not divide the image', () => {
    expect(() => segmentationTask({ classNames, blocks: [2, -1] }).parameters(toyModel)).toThrow(
      /reads block 2 twice/,
    );
    expect(() => segmentationTask({ classNames, lossStride: 3 }).parameters(toyModel)).toThrow(
      expect.objectContaining({ code: 'INPUT', expected: 'a divisor of 8 and 12' }),
    );
  });

  it('is made from a data set’s masks, with options that are checked', () => {
    const task = segmentation.create(
      { targets: { mask: { classNames } }, labelSmoothing: 0 },
      segmentation.options.parse({ blocks: [0, 1] }),
    );
    expect(task.parameters(toyModel)[0]!.shape).toEqual([4, 24]);
    expect(segmentation.options.parse({})).toEqual({ blocks: [-1], norm: true, lossStride: 1 });
    expect(() => segmentation.options.parse({ block: 3 })).toThrow(/block/);
    expect(() => segmentation.options.parse({ blocks: [] })).toThrow();
    expect(() =>
      segmentation.create({ targets: {}, labelSmoothing: 0 }, segmentation.options.parse({})),
    ).toThrow(/no mask target/);
  });
});

function zeroHead(specs: ReturnType<ReturnType<typeof segmentationTask>['parameters']>) {
  return specs.map((spec) => ({ ...spec, init: { kind: 'zeros' } as const }));
}
