import referenceDefinition from '@kora-bench/backend-reference';
import definition from '@kora-bench/backend-webgpu';
import { compareTensors } from '@kora-bench/conformance';
import { gradients } from '@kora-bench/core/autodiff';
import type { Backend } from '@kora-bench/core/backend';
import type { HostTensor } from '@kora-bench/core/graph';
import { GraphBuilder, hostTensor } from '@kora-bench/core/graph';
import { gelu, linear, mul, sum } from '@kora-bench/core/ops';
import { makeProgram } from '@kora-bench/core/passes';
import { randomStream } from '@kora-bench/core/random';
import { describe, expect, it } from 'vitest';
import { halfBits } from '../src/device/buffers.js';
import { withAdapter } from './with-adapter.js';

const [rows, inner, outer] = [70, 64, 96];
const random = randomStream(0, 'precision');
const normal = (...shape: number[]) =>
  hostTensor(
    shape,
    Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => random.normal()),
  );
const x = normal(rows, inner);
const dy = normal(rows, outer);
const weights = new Map([
  ['w1', normal(outer, inner)],
  ['w2', normal(outer, outer)],
]);

/** Two layers and the gradient of their input, on weights large enough to be worth 16 bits. */
async function layers(backend: Backend): Promise<Record<string, HostTensor>> {
  const b = new GraphBuilder();
  const input = b.feed('x', [rows, inner]);
  const hidden = gelu(linear(input, b.frozen('w1', [outer, inner])));
  const y = linear(hidden, b.frozen('w2', [outer, outer]));
  const [dx] = gradients(sum(mul(y, b.feed('dy', [rows, outer]))), [input]);
  const executable = await backend.compile(makeProgram({ y, dx: dx! }), weights);
  const results = await executable.run({ feeds: { x, dy }, fetch: ['y', 'dx'] });
  await backend.dispose();
  return results;
}

const open = (options: unknown) => definition.create('gpu', definition.options.parse(options));

withAdapter(() => {
  describe('precision f16', { timeout: 120_000 }, () => {
    it('rounds weights and forward values to 16 bits, and adds up in 32', async () => {
      const backend = await open({ precision: 'f16' });
      expect(backend.versions.precision).toBe('f16');
      const actual = await layers(backend);
      const reference = await referenceDefinition.create('cpu', referenceDefinition.options.parse({}));
      const expected = await layers(reference);
      for (const name of ['y', 'dx']) {
        const { relativeError } = compareTensors(name, actual[name]!, expected[name]!);
        // Rounding a factor to 11 bits changes it by at most 2⁻¹¹; without rounding the error is below 1e-6.
        expect(relativeError).toBeLessThan(4e-3);
        expect(relativeError).toBeGreaterThan(1e-5);
      }
    });

    it('stays at 32 bits, and says so, where there are no 16-bit floats', async () => {
      const without = await open({ precision: 'f16', disabledFeatures: ['f16'] });
      expect(without.versions.precision).toBe('f32');
      const [actual, expected] = [await layers(without), await layers(await open({}))];
      expect(actual.y!.data).toEqual(expected.y!.data);
    });
  });
});

describe('halfBits', () => {
  const value = (bits: number) => {
    const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
    if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN;
    return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  };

  it('gives every 16-bit number its own bits', () => {
    for (let bits = 0; bits < 2 ** 16; bits++)
      if (!Number.isNaN(value(bits))) expect(halfBits(value(bits))).toBe(bits);
  });

  it('rounds to nearest, ties to even', () => {
    for (const bits of [0x0000, 0x0001, 0x03ff, 0x0400, 0x3c00, 0x7bfe]) {
      const [low, high] = [value(bits), value(bits + 1)];
      const middle = (low + high) / 2;
      expect(halfBits(middle)).toBe(bits % 2 === 0 ? bits : bits + 1);
      expect(halfBits(middle * (1 + 1e-6))).toBe(bits + 1);
    }
    expect(halfBits(65_519)).toBe(0x7bff);
    expect(halfBits(65_520)).toBe(0x7c00);
    expect(halfBits(Number.NaN) & 0x7fff).toBeGreaterThan(0x7c00);
  });
});
