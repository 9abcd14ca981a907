import { createHash } from 'node:crypto';
import type { VitConfig } from '@kora-bench/core/nn';
import { vitArchitecture } from '@kora-bench/core/nn';
import { loadCheckpointFolder, timmVitConfig } from '@kora-bench/models';
import { expect, test } from 'vitest';
import { checkpointFolder, readFixture, timmConfig } from './checkpoint-folder.js';

interface Described {
  readonly imageSize: number;
  readonly tensors: string;
  readonly heads: number;
  readonly layerNormEps: number;
  readonly activation: string;
  readonly pool: string;
  readonly poolPrefix: boolean;
}

const { architectures } = await readFixture<{ architectures: Record<string, Described | null> }>(
  'timm-architectures',
);
const names = Object.keys(architectures);
const activations: Readonly<Record<NonNullable<VitConfig['activation']>, string>> = {
  gelu: 'GELU',
  gelu_tanh: 'GELUTanh',
  quick_gelu: 'QuickGELU',
  relu: 'ReLU',
  silu: 'SiLU',
};

test.each(names.filter((name) => architectures[name] !== null))('%s is what timm builds', (name) => {
  const { tensors, imageSize, ...settings } = architectures[name]!;
  const config = timmVitConfig(name, [imageSize, imageSize])!;
  const lines = [...vitArchitecture(config).weights].map(([key, shape]) => `${key} [${shape.join(', ')}]`);
  expect({
    heads: config.heads,
    layerNormEps: config.layerNormEps,
    activation: activations[config.activation ?? 'gelu'],
    pool: config.pool === 'distilled' ? 'token' : config.pool,
    poolPrefix: config.poolPrefix,
  }).toEqual(settings);
  expect(createHash('sha256').update(lines.sort().join('\n')).digest('hex')).toBe(tensors);
});

test.each(names.filter((name) => architectures[name] === null))(
  '%s is refused by the name of what is missing',
  async (name) => {
    const folder = await checkpointFolder({ 'config.json': timmConfig({ architecture: name }) }, new Map());
    await expect(loadCheckpointFolder(folder)).rejects.toMatchObject({
      code: 'CHECKPOINT',
      message: expect.stringMatching(/^The checkpoint needs what is not supported: (?!an architecture)/),
      received: name,
    });
  },
);
