import { readFile } from 'node:fs/promises';
import type { Preprocessing } from '@kora-bench/core/data';
import { readSafetensors } from '@kora-bench/core/safetensors';
import { preparePixels } from '@kora-bench/datasets';
import { inspectCheckpointFolder } from '@kora-bench/models';
import { describe, expect, test } from 'vitest';
import { changedFixture, readFixture } from './checkpoint-folder.js';

interface Case {
  readonly library: 'timm' | 'transformers';
  readonly height: number;
  readonly width: number;
  readonly config: Record<string, unknown>;
}

const { cases } = await readFixture<{ cases: Case[] }>('processors');
const { tensors } = readSafetensors(
  await readFile(new URL('fixtures/processors.safetensors', import.meta.url)),
);

/** The image that the fixture's numbers were made from. */
function syntheticImage(height: number, width: number): Uint8Array {
  const pixels = new Uint8Array(height * width * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++) {
        pixels[(y * width + x) * 3 + c] =
          x * x * 7 + y * 13 * (c + 1) + Math.floor((x * y) / 4) * (c + 3) + (x ^ y) * 31;
      }
    }
  }
  return pixels;
}

/** The preprocessing of a checkpoint with this configuration; its own model does not matter. */
async function preprocessingOf({ library, config }: Case): Promise<Preprocessing> {
  if (library === 'transformers') {
    const folder = await changedFixture('transformers/dinov2', {}, { 'preprocessor_config.json': config });
    return (await inspectCheckpointFolder(folder)).preprocessing;
  }
  const [, height] = config.input_size as number[];
  const title = height === 8 ? 'timm/deit-distilled' : 'timm/plain-rectangular';
  const nested = await changedFixture(title, { 'config.json': { pretrained_cfg: config } });
  const flat = await changedFixture(title, { 'config.json': { pretrained_cfg: undefined, ...config } });
  const { preprocessing } = await inspectCheckpointFolder(nested);
  expect((await inspectCheckpointFolder(flat)).preprocessing).toEqual(preprocessing);
  return preprocessing;
}

/** The largest difference in units of a pixel's 256 values. */
function pixelDistance(found: Uint8Array, wanted: ArrayLike<number>, { mean, std }: Preprocessing): number {
  const plane = wanted.length / 3;
  if (found.length !== wanted.length) return Number.POSITIVE_INFINITY;
  let most = 0;
  for (let i = 0; i < wanted.length; i++) {
    const channel = Math.floor(i / plane);
    const value = 255 * (wanted[i]! * std[channel]! + mean[channel]!);
    most = Math.max(most, Math.abs(value - found[(i % plane) * 3 + channel]!));
  }
  return most;
}

describe('pixels are those of the library’s own processor', () => {
  const titled = cases.map((each, i) => ({ ...each, i, title: JSON.stringify(each.config) }));
  test.each(titled)('$i: $library, $height×$width, $title', async ({ i, ...given }) => {
    const { height, width } = given;
    const preprocessing = await preprocessingOf(given);
    const pixels = preparePixels(syntheticImage(height, width), height, width, preprocessing);
    // Pillow's bytes exactly: only the rescaling to [0, 1] rounds.
    expect(pixelDistance(pixels, tensors.get(String(i))!.data, preprocessing)).toBeLessThan(1e-3);
    const other = tensors.get(`${i}.torchvision`);
    if (other) expect(pixelDistance(pixels, other.data, preprocessing)).toBeLessThan(1.001);
  });
});
