import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import ortBackend from '@kora-bench/backend-ort';
import { GraphBuilder, hostTensor } from '@kora-bench/core/graph';
import { makeProgram } from '@kora-bench/core/passes';
import { randomStream } from '@kora-bench/core/random';
import { loadModel, vitMicroConfig, vitMicroFolder } from '@kora-bench/models';
import { expect, test } from 'vitest';

test('the embedded backbone loads without a data folder and tells images apart', async () => {
  const { model, tensors } = await loadModel('vit_micro_patch8_64', { dataDir: '/nowhere' });
  expect(model).toMatchObject({ name: vitMicroConfig.name, depth: 8, width: 96 });
  const builder = new GraphBuilder();
  const weight = (name: string) => builder.frozen(name, tensors.get(name)!.shape);
  const { features } = model.forward(builder.feed('images', [4, 3, 64, 64]), { weight, hooks: {} });
  const backend = await ortBackend.create('cpu', ortBackend.options.parse({}));
  const executable = await backend.compile(makeProgram({ features }), tensors);
  const random = randomStream(0, 'embedded');
  const images = Float32Array.from({ length: 4 * 3 * 64 * 64 }, () => random.normal());
  const { features: rows } = await executable.run({
    feeds: { images: hostTensor([4, 3, 64, 64], images) },
    fetch: ['features'],
  });
  await backend.dispose();
  const row = (i: number) => Array.from(rows!.data.slice(i * model.width, (i + 1) * model.width));
  expect(row(0).every(Number.isFinite)).toBe(true);
  const distance = Math.hypot(...row(0).map((value, i) => value - row(1)[i]!));
  expect(distance).toBeGreaterThan(0.1 * Math.hypot(...row(0)));
});

test('the embedded weights take at most 6 MB', async () => {
  const files = await readdir(vitMicroFolder);
  const sizes = await Promise.all(files.map(async (file) => (await stat(join(vitMicroFolder, file))).size));
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(6 * 2 ** 20);
});
