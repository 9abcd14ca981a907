import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { referenceBackend } from '@kora-bench/backend-reference';
import { GraphBuilder, type HostTensor, type Tensor } from '@kora-bench/core/graph';
import type { Checkpoint } from '@kora-bench/core/nn';
import { add, linear, mul, narrow, reshape } from '@kora-bench/core/ops';
import { makeProgram } from '@kora-bench/core/passes';
import { readSafetensors } from '@kora-bench/core/safetensors';
import { inspectCheckpointFolder, loadCheckpointFolder } from '@kora-bench/models';
import { describe, expect, test } from 'vitest';

const fixtures = new URL('fixtures/', import.meta.url);
const reference = await referenceBackend.create('cpu', { lower: false });

/** The tokens after each block, the pooled features and the logits of a checkpoint's own classifier. */
async function outputs(
  { model, tensors }: Checkpoint,
  images: HostTensor,
): Promise<Readonly<Record<string, HostTensor>>> {
  const builder = new GraphBuilder();
  const weight = (name: string) => builder.frozen(name, tensors.get(name)!.shape);
  const output = model.forward(builder.feed('images', images.shape), { weight, hooks: {} });
  const classify = (head: string, input: Tensor) => {
    const bias = model.classifier.has(`${head}.bias`) ? weight(`${head}.bias`) : undefined;
    return linear(input, weight(`${head}.weight`), bias);
  };
  const { value } = output.tokens;
  const token = (i: number) => reshape(narrow(value, 1, i, i + 1), [value.shape[0]!, value.shape[2]!]);
  const logits = model.classifier.has('head_dist.weight')
    ? mul(add(classify('head', token(0)), classify('head_dist', token(1))), 0.5)
    : model.numClasses > 0
      ? classify('head', output.features)
      : undefined;
  const blocks = Object.fromEntries(output.blocks.map((tokens, i) => [`blocks.${i}`, tokens.value]));
  const all = { ...blocks, features: output.features, ...(logits && { logits }) };
  const executable = await reference.compile(makeProgram(all), tensors);
  try {
    return await executable.run({ feeds: { images }, fetch: Object.keys(all) });
  } finally {
    await executable.dispose();
  }
}

/** The largest difference, as a share of the largest number. */
function relativeDistance(found: HostTensor | undefined, wanted: HostTensor): number {
  if (found === undefined || String(found.shape) !== String(wanted.shape)) return Number.POSITIVE_INFINITY;
  let [most, largest] = [0, 0];
  wanted.data.forEach((value, i) => {
    most = Math.max(most, Math.abs(value - found.data[i]!));
    largest = Math.max(largest, Math.abs(value));
  });
  return most / largest;
}

const clipMean = [0.48145466, 0.4578275, 0.40821073];
const clipStd = [0.26862954, 0.26130258, 0.27577711];
const half = [0.5, 0.5, 0.5];

test.each([
  [
    'vit',
    { imageSize: [12, 12], interpolation: 'bilinear', cropPct: 1, cropMode: 'squash', mean: half, std: half },
  ],
  [
    'deit-distilled',
    {
      imageSize: [12, 12],
      interpolation: 'bicubic',
      cropPct: 12 / 14,
      cropMode: 'squash',
      cropRounding: 'down',
    },
  ],
  [
    'dinov2',
    { imageSize: [12, 12], interpolation: 'bicubic', cropPct: 12 / 14, mean: clipMean, std: clipStd },
  ],
  ['clip', { imageSize: [12, 12], interpolation: 'bicubic', cropPct: 1, mean: clipMean, std: clipStd }],
  ['siglip', { imageSize: [12, 12], interpolation: 'bicubic', cropPct: 1, cropMode: 'squash', mean: half }],
])('%s: images are prepared as its processor does', async (title, preprocessing) => {
  const folder = fileURLToPath(new URL(`transformers/${title}`, fixtures));
  expect((await inspectCheckpointFolder(folder)).preprocessing).toMatchObject(preprocessing);
});

const resizedPrefix = 'resized.';

describe.each(['timm', 'transformers'])('%s', (library) => {
  const folder = (title: string) => fileURLToPath(new URL(`${library}/${title}`, fixtures));
  const expectedOf = async (title: string) =>
    readSafetensors(await readFile(`${folder(title)}/expected.safetensors`)).tensors;

  test.each(readdirSync(new URL(library, fixtures)))(
    '%s: tokens of all blocks, features and logits are the library’s',
    async (title) => {
      const expected = await expectedOf(title);
      const groups = [false, true].map((resized) =>
        [...expected]
          .filter(([name]) => name.startsWith(resizedPrefix) === resized)
          .map(([name, tensor]) => [resized ? name.slice(resizedPrefix.length) : name, tensor] as const),
      );
      for (const group of groups.filter(({ length }) => length > 0)) {
        const { images, ...wanted } = Object.fromEntries(group);
        const [, , height, width] = images!.shape as [number, number, number, number];
        const checkpoint = await loadCheckpointFolder(folder(title), { imageSize: [height, width] });
        const found = await outputs(checkpoint, images!);
        expect(Object.keys(found).sort()).toEqual(Object.keys(wanted).sort());
        for (const [name, tensor] of Object.entries(wanted))
          expect(relativeDistance(found[name], tensor), `${name} at ${height}×${width}`).toBeLessThan(1e-5);
      }
    },
  );
});
