import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type HostTensor, hostTensor } from '@kora-bench/core/graph';
import { writeSafetensors } from '@kora-bench/core/safetensors';
import { onTestFinished } from 'vitest';

export type StoredTensors = Readonly<Record<string, { readonly shape: number[]; readonly data: number[] }>>;

/** Numbers of a small model as its own library computed them. */
export interface ModelFixture {
  readonly config?: Record<string, unknown>;
  readonly images: number[];
  readonly logits: number[];
  readonly features?: number[];
  readonly tensors: StoredTensors;
}

export async function readFixture<T>(name: string): Promise<T> {
  return JSON.parse(await readFile(new URL(`fixtures/${name}.json`, import.meta.url), 'utf8')) as T;
}

export function toTensors(stored: StoredTensors): Map<string, HostTensor> {
  return new Map(
    Object.entries(stored).map(([name, { shape, data }]) => [
      name,
      hostTensor(shape, Float32Array.from(data)),
    ]),
  );
}

export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kora-models-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A folder with the given JSON files and weights. */
export async function checkpointFolder(
  json: Readonly<Record<string, unknown>>,
  weights: Uint8Array | ReadonlyMap<string, HostTensor>,
): Promise<string> {
  const folder = await temporaryFolder();
  for (const [name, content] of Object.entries(json))
    await writeFile(join(folder, name), JSON.stringify(content));
  const bytes = weights instanceof Uint8Array ? weights : writeSafetensors(weights);
  await writeFile(join(folder, 'model.safetensors'), bytes);
  return folder;
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * A copy of a fixture's folder.
 * @param changes fields to set in its JSON files; `undefined` removes one
 * @param files JSON files to write instead of its own
 */
export async function changedFixture(
  title: string,
  changes: Readonly<Record<string, Fields>> = {},
  files: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const folder = await temporaryFolder();
  await cp(fileURLToPath(new URL(`fixtures/${title}`, import.meta.url)), folder, { recursive: true });
  for (const [name, fields] of Object.entries(changes)) {
    const content = JSON.parse(await readFile(join(folder, name), 'utf8')) as object;
    await writeFile(join(folder, name), JSON.stringify({ ...content, ...fields }));
  }
  for (const [name, content] of Object.entries(files))
    await writeFile(join(folder, name), JSON.stringify(content));
  return folder;
}

/** The configuration of the model in `fixtures/timm-vit.json`, in the hub's form. */
export function timmConfig(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    architecture: 'vit_fixture_patch4',
    num_classes: 4,
    global_pool: 'token',
    model_args: { img_size: [8, 12], patch_size: 4, embed_dim: 6, depth: 2, num_heads: 3, mlp_ratio: 1.5 },
    pretrained_cfg: {
      tag: 'augreg_in21k_ft_in1k',
      input_size: [3, 8, 12],
      interpolation: 'bilinear',
      crop_pct: 0.875,
      crop_mode: 'center',
      mean: [0.1, 0.2, 0.3],
      std: [0.4, 0.5, 0.6],
    },
    ...changes,
  };
}
