import { sizeOf } from '../graph/shape.js';
import { mul } from '../ops/elementwise.js';
import { randomStream } from '../random/random-stream.js';
import type { HostTensors } from '../tensor/host-tensor.js';
import type { Tensor } from '../tensor/tensor.js';
import type { NoiseSpec } from './attach.js';
import type { MethodBinding } from './method.js';

type Noisy = Pick<MethodBinding<unknown>, 'noise'>;

/**
 * Dropout (Srivastava et al. 2014): while training, elements are zeroed with probability `rate` and the others
 * divided by 1 − rate. The value itself where the model is evaluated.
 * @param name unique in the method, e.g. the site's
 * @param rate in [0, 1)
 */
export function dropout(x: Tensor, rate: number, { noise }: Noisy, name: string): Tensor {
  if (noise === undefined || rate === 0) return x;
  return mul(x, mul(noise(`dropout/${name}`, x.shape, 1 - rate), 1 / (1 - rate)));
}

/**
 * Stochastic depth (Huang et al. 2016): while training, what a branch adds is left out for whole examples with
 * probability `rate`, and divided by 1 − rate for the others.
 * @param x `[B, …]`
 * @param name unique in the method, e.g. the site's
 * @param rate in [0, 1)
 */
export function dropPath(x: Tensor, rate: number, { noise }: Noisy, name: string): Tensor {
  if (noise === undefined || rate === 0) return x;
  const shape = x.shape.map((extent, axis) => (axis === 0 ? extent : 1));
  return mul(x, mul(noise(`drop-path/${name}`, shape, 1 - rate), 1 / (1 - rate)));
}

/** The feeds of a step's noise: zeros and ones, a pure function of the seed, the step (from 0) and each feed's name. */
export function noiseFeeds(noise: readonly NoiseSpec[], seed: number, step: number): HostTensors {
  return Object.fromEntries(
    noise.map(({ feed, shape, keep }) => {
      const random = randomStream(seed, `${feed}/${step}`);
      const data = new Float32Array(sizeOf(shape));
      for (let i = 0; i < data.length; i++) data[i] = random.uniform() < keep ? 1 : 0;
      return [feed, { dtype: 'f32' as const, shape, data }];
    }),
  );
}
