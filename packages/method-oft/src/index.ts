import { InputError } from '@kora-bench/core/errors';
import type { Tensor } from '@kora-bench/core/graph';
import { add, blockDiagonal, constant, matmul, mul, reshape, transpose } from '@kora-bench/core/ops';
import { defineMethod, targetLayers } from '@kora-bench/core/peft';
import type { OftOptions } from './options.js';
import { angles, blockSizeOf, optionsSchema } from './options.js';
import { oftForm } from './peft-form.js';

export type { OftOptions };
export { blockSizeOf };

/** OFT: every adapted layer reads its input rotated, `W·R·x` with R block-diagonal and orthogonal. */
const oft = defineMethod<OftOptions>({
  name: 'oft',
  description: 'An orthogonal block-diagonal rotation of every chosen layer’s input.',
  source: 'Qiu et al. 2023, Controlling Text-to-Image Diffusion by Orthogonal Finetuning, arXiv:2306.07280.',
  options: optionsSchema,
  presets: { 'q-and-v': { targets: ['attn.q', 'attn.v'] } },
  parameters(model, { blockSize, targets }) {
    return targetLayers(model, targets).map(({ name, inFeatures }) => {
      const size = blockSizeOf(inFeatures, blockSize);
      if (size === 1) {
        throw new InputError(`The input of ${name} has no blocks of about ${blockSize} features.`, {
          where: 'options.blockSize',
          expected: `near a divisor of ${inFeatures}, or ${inFeatures} and above for a single block`,
          received: String(blockSize),
          fix: 'Choose another blockSize, or leave the layer out of the targets.',
        });
      }
      return {
        name: `${name}.${angles}`,
        shape: [inFeatures / size, (size * (size - 1)) / 2],
        init: { kind: 'zeros' },
      };
    });
  },
  attach({ model, options: { blockSize, neumannTerms, targets }, parameter }) {
    const adapted = new Set(targetLayers(model, targets).map(({ name }) => name));
    return {
      weight({ name, inFeatures }, weight) {
        if (!adapted.has(name)) return weight;
        const size = blockSizeOf(inFeatures, blockSize);
        const rotations = cayley(skewSymmetric(parameter(`${name}.${angles}`), size), neumannTerms);
        return blockDiagonal(weight, transpose(rotations, [0, 2, 1]));
      },
    };
  },
  peft: oftForm,
});

/** Angles `[g, b·(b − 1)/2]`, the upper triangles row by row, as skew-symmetric matrices `[g, b, b]`. */
function skewSymmetric(vectors: Tensor, size: number): Tensor {
  const [groups, length] = vectors.shape as [number, number];
  const places = new Float32Array(length * size * size);
  let at = 0;
  for (let row = 0; row < size; row++) {
    for (let column = row + 1; column < size; column++, at++) {
      places[at * size * size + row * size + column] = 1;
      places[at * size * size + column * size + row] = -1;
    }
  }
  const table = constant(vectors.builder, places, [length, size * size]);
  return reshape(matmul(vectors, table), [groups, size, size]);
}

/** The Cayley transform (I + Q)(I − Q)⁻¹ of matrices `[g, b, b]` as peft cuts its series off: I + 2Q + … + 2Qⁿ⁻² + Qⁿ⁻¹. */
function cayley(skew: Tensor, terms: number): Tensor {
  const size = skew.shape[2]!;
  const identity = Float32Array.from({ length: size * size }, (_, i) => (i % (size + 1) === 0 ? 1 : 0));
  let power = skew;
  let doubled = skew;
  for (let exponent = 2; exponent < terms - 1; exponent++) {
    power = matmul(power, skew);
    doubled = add(doubled, power);
  }
  const sum = add(mul(doubled, 2), matmul(power, skew));
  return add(constant(skew.builder, identity, [size, size]), sum);
}

export default oft;
