import { InputError } from '@kora-bench/core/errors';
import { normalQuantile, philox4x32, randomStream } from '@kora-bench/core/random';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

describe('philox4x32', () => {
  // Random123, tests/kat_vectors, the three lines "philox4x32 10": counter, key, output.
  it.each([
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ] as const)('gives the published output for counter %j under key %j', (counter, key, output) => {
    expect([...philox4x32(counter, key)]).toEqual(output);
  });
});

describe('normalQuantile', () => {
  // Python 3.11, statistics.NormalDist().inv_cdf; one value per branch and tail.
  it.each([
    [1e-300, -37.0470962993612],
    [1e-10, -6.361340902404056],
    [0.01, -2.3263478740408408],
    [0.2, -0.8416212335729142],
    [0.5, 0],
    [0.9, 1.2815515655446008],
    [0.999, 3.090232306167813],
  ])('of %d is %d', (p, expected) => {
    expect(Math.abs(normalQuantile(p) - expected)).toBeLessThanOrEqual(4e-16 * Math.abs(expected));
  });
});

const draw = (n: number, next: () => number): number[] => Array.from({ length: n }, next);

describe('randomStream', () => {
  it('is a pure function of seed and label', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), fc.string(), (seed, label) => {
        const a = randomStream(seed, label);
        const b = randomStream(seed, label);
        expect(draw(9, () => a.nextUint32())).toEqual(draw(9, () => b.nextUint32()));
      }),
    );
  });

  it('never changes its numbers between versions: records name only the seed', () => {
    const stream = randomStream(-3, 'blocks.0.attn.qkv/lora_A');
    expect(draw(4, () => stream.nextUint32())).toEqual([2984411438, 2555492849, 3043365023, 938890978]);
    expect(stream.normal()).toBe(0.9472454408529062);
  });

  it('differs for every other seed or label, also where only zero padding or the sign differs', () => {
    const first = (seed: number, label: string) => {
      const stream = randomStream(seed, label);
      return `${stream.nextUint32()} ${stream.nextUint32()}`;
    };
    const streams = [
      ...['', '\0', '\0\0', 'a', 'b', 'a\0', 'abcdefgh', 'abcdefgh\0', 'abcdefghi'].map((label) =>
        first(0, label),
      ),
      ...[1, -1, 2 ** 32, -(2 ** 32), 2 ** 32 + 1, Number.MAX_SAFE_INTEGER].map((seed) => first(seed, '')),
    ];
    expect(new Set(streams).size).toBe(streams.length);
  });

  it('draws standard normals', () => {
    const stream = randomStream(1, 'normal');
    const z = draw(200_000, () => stream.normal());
    const moment = (k: number) => z.reduce((sum, x) => sum + x ** k, 0) / z.length;
    // Five standard errors of each sample moment: √(Var(zᵏ)/n) with Var = 1, 2, 15, 96.
    expect(Math.abs(moment(1))).toBeLessThan(5 * Math.sqrt(1 / z.length));
    expect(Math.abs(moment(2) - 1)).toBeLessThan(5 * Math.sqrt(2 / z.length));
    expect(Math.abs(moment(3))).toBeLessThan(5 * Math.sqrt(15 / z.length));
    expect(Math.abs(moment(4) - 3)).toBeLessThan(5 * Math.sqrt(96 / z.length));
  });

  it('draws uniform integers without bias, also where n does not divide 2³²', () => {
    const stream = randomStream(2, 'uniformInt');
    const n = 3 * 2 ** 30;
    const below = draw(30_000, () => stream.uniformInt(n)).filter((x) => x < 2 ** 30).length;
    // A plain remainder would put half of the draws below 2³⁰ instead of a third.
    expect(below / 30_000).toBeCloseTo(1 / 3, 1);
    const counts = new Array<number>(7).fill(0);
    for (let i = 0; i < 70_000; i++) counts[stream.uniformInt(7)]!++;
    const chiSquare = counts.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0);
    expect(chiSquare).toBeLessThan(30);
  });

  it('keeps uniform() in [0, 1)', () => {
    const stream = randomStream(3, 'uniform');
    const u = draw(50_000, () => stream.uniform());
    expect(u.every((x) => x >= 0 && x < 1)).toBe(true);
    expect(u.reduce((sum, x) => sum + x, 0) / u.length).toBeCloseTo(0.5, 2);
  });

  it('permutes: every index once, every order of three equally often', () => {
    fc.assert(
      fc.property(fc.nat(60), (n) => {
        expect([...randomStream(4, 'p').permutation(n)].sort((a, b) => a - b)).toEqual(draw(n, counter()));
      }),
    );
    const stream = randomStream(5, 'orders');
    const counts = new Map<string, number>();
    for (let i = 0; i < 6000; i++) {
      const order = stream.permutation(3).join();
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });

  it('refuses seeds and ranges that it cannot honour', () => {
    expect(() => randomStream(1.5, 'x')).toThrow(InputError);
    expect(() => randomStream(2 ** 53, 'x')).toThrow(InputError);
    expect(() => randomStream(0, 'x').uniformInt(0)).toThrow(InputError);
    expect(() => randomStream(0, 'x').permutation(-1)).toThrow(InputError);
  });
});

function counter(): () => number {
  let i = 0;
  return () => i++;
}
