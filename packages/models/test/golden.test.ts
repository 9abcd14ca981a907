import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import ortBackend from '@kora-bench/backend-ort';
import type { Preprocessing } from '@kora-bench/core/data';
import { hostTensor } from '@kora-bench/core/graph';
import { resolveModel } from '@kora-bench/models';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { forward, maxDistance } from './forward.js';

interface Golden {
  images: { image: string; logits: number[]; features: number[] }[];
}

const dataDir = process.env.KORA_DATA_DIR ?? '';
const goldenFolder = join(dataDir, 'models', 'vit_tiny_patch16_224', 'golden');
const absent = dataDir === '' || !existsSync(goldenFolder);
const reason = absent ? ' (skipped: KORA_DATA_DIR does not hold models/vit_tiny_patch16_224/golden)' : '';

/** The pixels of a PNG as `[3, H, W]`, normalised as the checkpoint asks. */
async function normalised(path: string, { mean, std }: Preprocessing): Promise<Float32Array> {
  const { data, info } = await sharp(path).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const area = info.width * info.height;
  const values = new Float32Array(3 * area);
  for (let i = 0; i < area; i++) {
    for (let c = 0; c < 3; c++) values[c * area + i] = (data[3 * i + c]! / 255 - mean[c]!) / std[c]!;
  }
  return values;
}

test.skipIf(absent)(
  `ViT-Tiny gives the golden logits and features within 1e-3${reason}`,
  async () => {
    const golden = JSON.parse(await readFile(join(goldenFolder, 'golden.json'), 'utf8')) as Golden;
    expect(golden.images).toHaveLength(9);
    const checkpoint = await (await resolveModel('vit_tiny_patch16_224')).load({ dataDir });
    const batch = new Float32Array(9 * 3 * 224 * 224);
    for (const [i, { image }] of golden.images.entries()) {
      batch.set(await normalised(join(goldenFolder, image), checkpoint.preprocessing), i * 3 * 224 * 224);
    }
    const backend = await ortBackend.create('cpu', ortBackend.options.parse({}));
    const { logits, features } = await forward(backend, checkpoint, hostTensor([9, 3, 224, 224], batch));
    await backend.dispose();
    const row = (values: ArrayLike<number>, i: number, width: number) =>
      Array.from({ length: width }, (_, j) => values[i * width + j]!);
    for (const [i, { image, ...expected }] of golden.images.entries()) {
      expect(maxDistance(row(logits, i, 1000), expected.logits), `${image}: logits`).toBeLessThan(1e-3);
      expect(maxDistance(row(features, i, 192), expected.features), `${image}: features`).toBeLessThan(1e-3);
    }
  },
  60_000,
);
