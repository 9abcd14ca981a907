import { availableParallelism } from 'node:os';
import type { Peer, PeerDefinition } from '@kora-bench/core/backend';
import type { PytorchProcess } from './python-process.js';
import { openPytorch } from './python-process.js';
import { loadTraining, trainingFiles } from './training-files.js';

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
      const files = trainingFiles(training);
      const process = await openPytorch(python);
      try {
        await process.call('use', { device: 'cpu', threads: availableParallelism() });
        await loadTraining(process, files);
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
