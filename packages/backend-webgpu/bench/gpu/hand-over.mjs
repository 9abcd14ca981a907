import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeSafetensors } from '@kora-bench/core/safetensors';

/**
 * Writes the frozen weights, the trained parameters' start and the batch of a `vitLoraStep` as one
 * safetensors file, hands its path to `use` and removes it.
 */
export async function handOver({ layout, weights, state, feeds }, use) {
  const { images, label } = feeds(0);
  const tensors = new Map([...weights, ['images', images], ['labels', label]]);
  for (const { name, shape, offset, size } of layout.entries) {
    tensors.set(name, { dtype: 'f32', shape, data: state.parameters.data.slice(offset, offset + size) });
  }
  const folder = mkdtempSync(join(tmpdir(), 'kora-bench-'));
  try {
    const path = join(folder, 'step.safetensors');
    writeFileSync(path, writeSafetensors(tensors));
    return await use(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
