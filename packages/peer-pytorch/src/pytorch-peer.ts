import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Peer, PeerDefinition, PeerTraining } from '@kora-bench/core/backend';
import { InputError } from '@kora-bench/core/errors';
import type { HostTensor } from '@kora-bench/core/graph';
import { writeSafetensors } from '@kora-bench/core/safetensors';
import { peftAdapter } from './peft-method.js';
import type { PytorchProcess } from './python-process.js';
import { openPytorch } from './python-process.js';

export interface PytorchPeerOptions {
  /** The interpreter. */
  readonly python: string;
}

/**
 * The training step of a method in PyTorch, with timm's model and peft's adapter, in a separate process. It computes on
 * the CPU with as many threads as this process may use cores.
 */
export function pytorchPeer({ python }: PytorchPeerOptions): PeerDefinition {
  return {
    name: 'PyTorch, timm and peft',
    async create(_device, training) {
      requireModel(training);
      peftAdapter(training.method);
      const process = await openPytorch(python);
      try {
        await process.call('use', { device: 'cpu', threads: availableParallelism() });
        await loadTraining(process, training);
        await process.call('start');
      } catch (error) {
        process.stop();
        throw error;
      }
      return startedPeer(process);
    },
  };
}

function startedPeer(process: PytorchProcess): Peer {
  const { versions } = process.about;
  return {
    versions: Object.fromEntries(
      Object.entries(versions).filter(([, version]) => version !== null),
    ) as Record<string, string>,
    step: async () => (await process.call<number[]>('losses', { count: 1 }))[0]!,
    peakMemoryBytes: () => process.call<number>('memory'),
    dispose: async () => process.stop(),
  };
}

function requireModel({ model }: PeerTraining): void {
  if (model.distilledToken !== true) return;
  throw new InputError(`The PyTorch peer has no ${model.name} to compare with.`, {
    where: '--peers pytorch',
    expected: 'a model with one classifier; timm’s distilled models have two',
    received: model.name,
    fix: 'Choose another model, or leave --peers pytorch out.',
  });
}

/**
 * Hands a training over to a Python process: the model, the method and all values, through a file that is removed again.
 * @returns how many numbers train there
 */
export async function loadTraining(process: PytorchProcess, training: PeerTraining): Promise<number> {
  const { model, method, weights, parameters, updates, optimizer, learningRate, images, labels } = training;
  if (optimizer.kind !== 'adamw') {
    throw new InputError('The PyTorch peer trains with AdamW alone.', {
      where: 'optimizer',
      expected: 'adamw',
      received: optimizer.kind,
      fix: 'Choose AdamW.',
    });
  }
  const { kind: _, ...constants } = optimizer;
  const adapter = peftAdapter(method);
  const trained = [...parameters].filter(([name]) => !adapter?.isLeftOut(name));
  const folder = await mkdtemp(join(tmpdir(), 'kora-bench-'));
  try {
    const path = join(folder, 'training.safetensors');
    const tensors = new Map<string, HostTensor>([
      ...weights,
      ...trained,
      ['images', images],
      ['labels', labels],
    ]);
    await writeFile(path, writeSafetensors(tensors));
    const loaded = await process.call<{ readonly trained: number }>('load', {
      path,
      model,
      adapter: adapter ? { config: adapter.config, arguments: adapter.arguments } : null,
      trained: Object.fromEntries(
        trained.map(([name]) => {
          const { learningRate: rate = 1, weightDecay: decay = 1 } = updates.get(name) ?? {};
          return [name, [rate, decay]];
        }),
      ),
      optimizer: { ...constants, learningRate },
    });
    return loaded.trained;
  } finally {
    await rm(folder, { recursive: true });
  }
}
