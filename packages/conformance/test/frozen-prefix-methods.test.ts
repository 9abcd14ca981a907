import type { MethodRecipe, Training } from '@kora-bench/conformance';
import { compareTensors, createOracle, methodRecipes, methodTrainingCases } from '@kora-bench/conformance';
import type { Backend } from '@kora-bench/core/backend';
import type { HostTensor, Program } from '@kora-bench/core/graph';
import { GraphBuilder, hostTensor, sourcesOf } from '@kora-bench/core/graph';
import { add, mean, mul, sub, tanh } from '@kora-bench/core/ops';
import type { Partition } from '@kora-bench/core/passes';
import { makeProgram, partitionFrozenPrefix } from '@kora-bench/core/passes';
import { stagesOf } from '@kora-bench/core/peft';
import { buildTrainProgram, defaultAdamW, imagesFeed, isTrainable } from '@kora-bench/core/training';
import { classificationTask } from '@kora-bench/tasks';
import { vitTiny } from '@kora-bench/testing/vit-configs';
import { describe, expect, it } from 'vitest';

const perImage = new Set([imagesFeed]);
const withCache = ['linear-probe', 'kora-chain published', 'kora-chain'];

const casesOf = (method: string) => methodTrainingCases.filter(({ name }) => name.startsWith(`${method}, `));

describe.each(withCache.flatMap(casesOf))('$name', ({ build }) => {
  it('trains on values kept per image as it does on the images', async () => {
    const training = await build();
    const partition = partitionFrozenPrefix(training.program, perImage)!;
    expect(sourcesOf(partition.rest, 'feed').map(({ name }) => name)).not.toContain(imagesFeed);
    expect(sourcesOf(partition.prefix, 'state')).toEqual([]);
    const backend = await createOracle();
    const whole = await train(backend, training, training.program, async (step) => training.feeds(step));
    const cached = await train(backend, training, partition.rest, async (step) => {
      const { [imagesFeed]: images, ...others } = training.feeds(step);
      return { ...others, ...(await cacheOf(backend, partition, training, images!)) };
    });
    for (const [name, value] of Object.entries(whole)) {
      expect(compareTensors(name, cached[name]!, value).relativeError).toBeLessThan(1e-9);
    }
  });
});

describe('on ViT-Tiny at 224 with batch 16', () => {
  const programOf = (method: string) => stepOf(methodRecipes.find(({ name }) => name === method)!);

  it.each(withCache)('%s: the rest is at most a hundredth of the work and sees no tokens', (method) => {
    const { rest, prefixFlops, restFlops } = partitionFrozenPrefix(programOf(method), perImage)!;
    expect(restFlops).toBeLessThan(prefixFlops / 100);
    expect(rest.nodes.filter(({ shape }) => shape.includes(197))).toEqual([]);
  });

  it('lora, which changes the first block: nearly all work remains', () => {
    const { prefixFlops, restFlops } = partitionFrozenPrefix(programOf('lora published'), perImage)!;
    expect(prefixFlops).toBeLessThan(0.05 * restFlops);
  });

  it('full fine-tuning, which trains the patch embedding: no work is saved', () => {
    expect(partitionFrozenPrefix(programOf('full'), perImage)?.prefixFlops ?? 0).toBe(0);
  });
});

function stepOf({ method, stage }: MethodRecipe): Program {
  const stageOf = stagesOf(method).find(({ name }) => name === stage)!;
  return buildTrainProgram({
    model: vitTiny,
    method,
    task: classificationTask(100),
    batchSize: 16,
    stage,
    trains: (parameter) =>
      isTrainable(parameter, method) && (parameter.owner !== 'method' || stageOf.trains(parameter.name)),
    optimizer: defaultAdamW,
  }).program;
}

describe('a value that mixes the examples of a batch', () => {
  /** Centres features by the batch's mean, as batch normalisation would. */
  function centred(): Program {
    const builder = new GraphBuilder();
    const own = tanh(builder.feed('x', [2, 3]));
    const centre = sub(own, mean(own, { axes: [0], keepDims: true }));
    return makeProgram({ y: mul(tanh(centre), builder.state('scale', [3])) });
  }

  it('is computed anew from the kept values, so that other batches give other results', async () => {
    const partition = partitionFrozenPrefix(centred(), new Set(['x']))!;
    expect(partition.values.map(({ shape }) => shape)).toEqual([[2, 3]]);
    expect(partition.prefix.nodes.map(({ op }) => op.kind)).toEqual(['feed', 'unary']);

    const backend = await createOracle();
    const state = await backend.createState({ scale: hostTensor([3], Float32Array.of(1, 2, 3)) });
    const [whole, prefix, rest] = [
      await backend.compile(centred(), new Map()),
      await backend.compile(partition.prefix, new Map()),
      await backend.compile(partition.rest, new Map()),
    ];
    const [name] = partition.values.map((value) => value.name);
    const examples = [0.1, 0.9, -0.4].map((value) => [value, value * 2, 1 - value]);
    const batchOf = (i: number, j: number) =>
      hostTensor([2, 3], Float64Array.from([...examples[i]!, ...examples[j]!]));
    const kept = async (i: number) => {
      const value = (await prefix.run({ feeds: { x: batchOf(i, i) }, fetch: [name!] }))[name!]!;
      return [...value.data.subarray(0, 3)];
    };
    for (const [i, j] of [
      [0, 1],
      [1, 2],
      [2, 0],
    ] as const) {
      const expected = (await whole.run({ feeds: { x: batchOf(i, j) }, state, fetch: ['y'] })).y!;
      const value = hostTensor([2, 3], Float64Array.from([...(await kept(i)), ...(await kept(j))]));
      const actual = (await rest.run({ feeds: { [name!]: value }, state, fetch: ['y'] })).y!;
      expect(compareTensors('y', actual, expected).relativeError).toBeLessThan(1e-12);
    }
  });

  it('leaves nothing to keep where the images themselves are mixed first', () => {
    const builder = new GraphBuilder();
    const x = builder.feed('x', [2, 3]);
    const y = add(tanh(mean(x, { axes: [0] })), builder.state('s', [3]));
    expect(partitionFrozenPrefix(makeProgram({ y }), new Set(['x']))).toBeUndefined();
  });
});

/** The kept values of a batch, computed for one image at a time in the first place of an otherwise empty batch. */
async function cacheOf(
  backend: Backend,
  { prefix, values }: Partition,
  { weights }: Training,
  images: HostTensor,
): Promise<Record<string, HostTensor>> {
  const executable = await backend.compile(prefix, weights);
  const batch = images.shape[0]!;
  const size = images.data.length / batch;
  const kept = Object.fromEntries(
    values.map(({ name, shape }) => [
      name,
      hostTensor(shape, new Float64Array(shape.reduce((a, b) => a * b, 1))),
    ]),
  );
  for (let i = 0; i < batch; i++) {
    const alone = new Float32Array(images.data.length);
    alone.set(images.data.subarray(i * size, (i + 1) * size));
    const feeds = { [imagesFeed]: hostTensor(images.shape, alone) };
    const got = await executable.run({ feeds, fetch: values.map(({ name }) => name) });
    for (const { name } of values) {
      const { data } = kept[name]!;
      const row = data.length / batch;
      data.set(got[name]!.data.subarray(0, row), i * row);
    }
  }
  return kept;
}

/** States after four steps, the last batch a partial one, and that step's outputs. */
async function train(
  backend: Backend,
  { state, weights }: Training,
  program: Program,
  feedsOf: (step: number) => Promise<Readonly<Record<string, HostTensor>>>,
): Promise<Record<string, HostTensor>> {
  const executable = await backend.compile(program, weights);
  const held = await backend.createState(state);
  let outputs: Record<string, HostTensor> = {};
  for (let step = 0; step < 4; step++) {
    outputs = await executable.run({
      feeds: await feedsOf(step),
      state: held,
      fetch: [...program.outputs.keys()],
    });
  }
  const states = await Promise.all(held.names.map(async (name) => [name, await held.read(name)] as const));
  return { ...outputs, ...Object.fromEntries(states) };
}
