import type { Checkpoint, HostTensor, Initializer, Preprocessing, VitConfig } from '@kora-bench/core';
import { initialValue, vitWeightShapes } from '@kora-bench/core';

/**
 * A Vision Transformer before any training, started as timm starts it: truncated normals of standard
 * deviation 0.02 for matrices and positions, ones for norms, zeros for biases.
 */
export function initialCheckpoint(config: VitConfig, preprocessing: Preprocessing, seed: number): Checkpoint {
  const tensors = new Map<string, HostTensor>();
  for (const [name, shape] of vitWeightShapes({ ...config, numClasses: 0 })) {
    tensors.set(name, {
      dtype: 'f32',
      shape,
      data: initialValue({ name, shape, init: initializerOf(name) }, seed),
    });
  }
  return { config, preprocessing, tensors, fingerprint: `initial-${seed}`, notes: ['untrained'] };
}

function initializerOf(name: string): Initializer {
  if (name === 'cls_token') return { kind: 'normal', std: 1e-6 };
  if (name.includes('norm'))
    return name.endsWith('.weight') ? { kind: 'constant', value: 1 } : { kind: 'zeros' };
  return name.endsWith('.bias') ? { kind: 'zeros' } : { kind: 'truncatedNormal', std: 0.02 };
}
