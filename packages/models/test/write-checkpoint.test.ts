import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Preprocessing } from '@kora-bench/core/data';
import { type HostTensor, hostTensor, sizeOf } from '@kora-bench/core/graph';
import { plainVit, type VitArchitecture, type VitConfig, vitArchitecture } from '@kora-bench/core/nn';
import {
  type CheckpointFiles,
  type CheckpointToWrite,
  loadCheckpointFolder,
  timmCheckpointFiles,
  transformersCheckpointFiles,
} from '@kora-bench/models';
import { toyVariants, toyVit } from '@kora-bench/testing/vit-configs';
import { afterAll, expect, test } from 'vitest';

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

async function writtenAndRead(files: CheckpointFiles) {
  const folder = mkdtempSync(join(tmpdir(), 'kora-write-'));
  folders.push(folder);
  for (const [name, content] of files) writeFileSync(join(folder, name), content);
  return loadCheckpointFolder(folder);
}

const preprocessing: Preprocessing = {
  imageSize: [16, 16],
  interpolation: 'bilinear',
  cropPct: 0.9,
  mean: [0.1, 0.2, 0.3],
  std: [0.4, 0.5, 0.6],
};

function values(shape: readonly number[], seed: number): HostTensor {
  return hostTensor(
    [...shape],
    Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(seed + 0.7 * i)),
  );
}

function checkpointOf(config: VitConfig): CheckpointToWrite {
  const weights = [...vitArchitecture(config).weights].map(
    ([name, shape], i) => [name, values(shape, i)] as const,
  );
  return {
    config,
    preprocessing,
    weights: new Map(weights),
    head: { weight: values([3, config.width], 99), bias: values([3], 98) },
    classNames: ['ant', 'bee', 'cat'],
  };
}

const variants = Object.entries({ ...toyVariants, plain: toyVit }).map(
  ([name, model]) => [name, (model as VitArchitecture).config] as const,
);

test.each(variants)('%s: what is written for timm is read back as the same model', async (_, config) => {
  const checkpoint = checkpointOf(config);
  const read = await writtenAndRead(timmCheckpointFiles(checkpoint));
  const known = ({ name, numClasses, headBias, ...rest }: VitConfig) => ({
    ...plainVit,
    ...rest,
    headBias: true,
  });
  expect(known((read.model as VitArchitecture).config)).toEqual(known(config));
  expect(read.preprocessing).toMatchObject(preprocessing);
  for (const [name, value] of checkpoint.weights) expect(read.tensors.get(name), name).toEqual(value);
  expect(read.tensors.get('head.weight')).toEqual(checkpoint.head!.weight);
});

test('what is written for transformers is read back as the same model', async () => {
  const checkpoint = checkpointOf(toyVit.config);
  const read = await writtenAndRead(transformersCheckpointFiles(checkpoint));
  // The image is resized to floor(16 / 0.9) either way.
  expect(read.preprocessing).toMatchObject({ ...preprocessing, cropPct: 16 / 17 });
  for (const [name, value] of checkpoint.weights) expect(read.tensors.get(name), name).toEqual(value);
});

test.each(variants.filter(([name]) => name !== 'plain'))(
  '%s is refused for transformers’ ViT by the name of the feature',
  (_, config) => {
    expect(() => transformersCheckpointFiles(checkpointOf(config))).toThrow(
      /transformers cannot express this model, because of /,
    );
  },
);

test.each<[NonNullable<Preprocessing['cropMode']>, number, object]>([
  ['squash', 1, { image_processor_type: 'ViTImageProcessor', size: { height: 16, width: 16 } }],
  ['squash', 0.5, { image_processor_type: 'DeiTImageProcessor', size: { height: 32, width: 32 } }],
  ['shortest', 0.5, { image_processor_type: 'CLIPImageProcessor', size: { shortest_edge: 32 } }],
  ['crop', 1, { do_resize: false, do_center_crop: true }],
])('images by %s at %d get a processor that makes the same', async (cropMode, cropPct, expected) => {
  const files = transformersCheckpointFiles({
    ...checkpointOf(toyVit.config),
    preprocessing: { ...preprocessing, cropPct, cropMode },
  });
  expect(JSON.parse(files.get('preprocessor_config.json') as string)).toMatchObject(expected);
  const read = await writtenAndRead(files);
  expect(read.preprocessing).toMatchObject({ imageSize: [16, 16], cropPct });
});

test('a head without a bias gets zeros, and without a head there are no classes', async () => {
  const { head, classNames, ...headless } = checkpointOf(toyVit.config);
  const withWeight = await writtenAndRead(
    timmCheckpointFiles({ ...headless, head: { weight: head!.weight } }),
  );
  expect(withWeight.tensors.get('head.bias')!.data).toEqual(new Float32Array(3));
  const read = await writtenAndRead(timmCheckpointFiles(headless));
  expect(read.model.numClasses).toBe(0);
});
