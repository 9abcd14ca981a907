import { stagesOf } from '@kora-bench/core/peft';
import adapterFusion from '@kora-bench/method-adapter-fusion';
import {
  gradientSizes,
  largestDifference,
  logits,
  startValues,
  trainedValues,
} from '@kora-bench/testing/method-questions';
import { describeMethod } from '@kora-bench/testing/method-suite';
import { toyVit } from '@kora-bench/testing/vit-configs';
import { expect, test } from 'vitest';

const parse = (given: object) => ({ definition: adapterFusion, options: adapterFusion.options.parse(given) });

const narrow = 12 * (2 * (2 * 16 * 768 + 16 + 768) + 4 * 16 * 768) + 76_900;
const paper = 12 * (2 * (2 * 48 * 768 + 48 + 768) + 3 * 768 ** 2) + 76_900;

describeMethod(adapterFusion, {
  // Adapters start near the identity, not at it.
  forms: { 'three adapters and a full attention': { tasks: 3, fusionWidth: 'full' } },
  refused: [
    [{ tasks: 1 }, /tasks/],
    [{ bottleneck: 0 }, /bottleneck/],
    [{ fusionWidth: 'half' }, /fusionWidth/],
    [{ adapterShare: 0 }, /adapterShare/],
    [{ reduction: 16 }, /reduction/],
  ],
  counts: [
    [{}, narrow],
    [adapterFusion.presets!.paper!, paper],
  ],
});

test('the defaults weigh what LoRA of rank 8 on all linear layers does, within 2 %', () => {
  expect(Math.abs(narrow / 1_270_692 - 1)).toBeLessThan(0.02);
});

test('one stage per adapter on its part of the classes, then the fusion with all epochs', () => {
  const stages = stagesOf(parse({ tasks: 3, adapterShare: 0.5 }));
  expect(stages.map(({ name }) => name)).toEqual(['adapter-0', 'adapter-1', 'adapter-2', 'fusion']);
  expect(stages.map(({ classPart }) => classPart)).toEqual([
    { index: 0, of: 3 },
    { index: 1, of: 3 },
    { index: 2, of: 3 },
    undefined,
  ]);
  expect(stages.map(({ share }) => share)).toEqual([0.5, 0.5, 0.5, 1]);
});

test('every parameter trains in exactly one stage', () => {
  const method = parse({ tasks: 3 });
  for (const { name } of adapterFusion.parameters(toyVit, method.options)) {
    expect(
      stagesOf(method).filter((stage) => stage.trains(name)),
      name,
    ).toHaveLength(1);
  }
});

test.each(['adapter-0', 'adapter-1', 'fusion'])(
  'stage %s trains its own part and the head',
  async (stage) => {
    const sizes = await gradientSizes(adapterFusion, await startValues(adapterFusion), {}, { stage });
    const own = [...sizes.keys()].filter((name) => !name.startsWith('head.'));
    const prefix = stage === 'fusion' ? 'fusion.' : `adapters.${stage.at(-1)}.`;
    expect(own.length).toBeGreaterThan(0);
    expect(own.filter((name) => !name.startsWith(prefix))).toEqual([]);
  },
);

test.each([{}, { fusionWidth: 'full' }])('with %j no stage begins with a gradient at zero', async (given) => {
  for (const { name: stage } of stagesOf(parse(given))) {
    const sizes = await gradientSizes(adapterFusion, await startValues(adapterFusion, given), given, {
      stage,
    });
    for (const [name, size] of sizes) if (!name.endsWith('down.bias')) expect(size, name).toBeGreaterThan(0);
  }
});

test('in an adapter’s stage the other adapter is not in the forward pass', async () => {
  const values = trainedValues(await startValues(adapterFusion), adapterFusion);
  const changed = new Map(
    [...values].map(([name, value]) => [
      name,
      name.startsWith('adapters.1.')
        ? { ...value, data: Float32Array.from(value.data, (x) => 2 * x) }
        : value,
    ]),
  );
  const difference = async (stage: string) =>
    largestDifference(
      await logits(adapterFusion, values, {}, { stage }),
      await logits(adapterFusion, changed, {}, { stage }),
    );
  expect(await difference('adapter-0')).toBe(0);
  expect(await difference('adapter-1')).toBeGreaterThan(1e-3);
  expect(await difference('fusion')).toBeGreaterThan(1e-3);
});

test('two equal adapters and a value map at the identity give what one adapter alone gives', async () => {
  const given = { fusionWidth: 'full' };
  const random = trainedValues(await startValues(adapterFusion, given), adapterFusion, given);
  const values = new Map(
    [...random].map(([name, value]) => {
      if (name.startsWith('adapters.1.'))
        return [name, random.get(name.replace('adapters.1.', 'adapters.0.'))!];
      if (!name.endsWith('value.weight')) return [name, value];
      return [name, { ...value, data: value.data.map((_, i) => (i % (toyVit.width + 1) === 0 ? 1 : 0)) }];
    }),
  );
  const [alone, fused] = [
    await logits(adapterFusion, values, given, { stage: 'adapter-0' }),
    await logits(adapterFusion, values, given, { stage: 'fusion' }),
  ];
  expect(largestDifference(alone, fused)).toBeLessThan(1e-6);
});
