import { compareTensors } from '@kora-bench/conformance';
import type { HostTensor, Shape } from '@kora-bench/core';
import { hostTensor, randomStream, sizeOf } from '@kora-bench/core';
import { afterAll, describe, expect, it } from 'vitest';
import { hasAttentionKernels, mostColumns } from '../src/wgsl/attention/attention-problem.js';
import type { RowSource } from '../src/wgsl/attention/row-source.js';
import type { AttentionResults, Operands } from './attention-runner.js';
import { AttentionRunner, expectedAttention } from './attention-runner.js';

const runner = await AttentionRunner.open();
afterAll(() => {
  if (typeof runner !== 'string') runner.close();
});

/** Heads, N, M, d and e of an attention. */
type Extents = readonly [heads: number, N: number, M: number, d: number, e: number];

function operandsOf([heads, N, M, d, e]: Extents): Operands {
  const random = randomStream(0, `attention ${heads} ${N} ${M} ${d} ${e}`);
  const normal = (...shape: Shape) =>
    hostTensor(
      shape,
      Float32Array.from({ length: sizeOf(shape) }, () => random.normal()),
    );
  return {
    scale: 1 / Math.sqrt(d),
    q: normal(heads, N, d),
    k: normal(heads, M, d),
    v: normal(heads, M, e),
    dy: normal(heads, N, e),
  };
}

/** `tensor` with other elements at some row-major numbers. */
function changed({ shape, data }: HostTensor, elements: Readonly<Record<number, number>>): HostTensor {
  return hostTensor(
    shape,
    Float32Array.from(data, (value, i) => elements[i] ?? value),
  );
}

interface Checked {
  readonly asQuads?: boolean;
  readonly names?: readonly (keyof AttentionResults)[];
}

/** Compares what the kernels give with what the definitions of the ops give in float64. */
async function check(operands: Operands, source: RowSource, { asQuads, names }: Checked = {}): Promise<void> {
  if (typeof runner === 'string') throw new Error(runner);
  const actual = await runner.run(operands, source, asQuads);
  const expected = expectedAttention(operands);
  for (const name of names ?? (['result', 'statistics', 'dq', 'dk', 'dv'] as const)) {
    // Where there is one key, the adjoints of q and k are 0, and what the kernels give is rounding.
    const zero = expected[name].data.every((value) => value === 0);
    const { relativeError, worst } = compareTensors(name, actual[name], expected[name]);
    const error = zero ? Math.max(...actual[name].data.map(Math.abs)) : relativeError;
    expect.soft(error, `${name}: ${worst}`).toBeLessThan(zero ? 1e-6 : 2e-5);
  }
}

const timeout = 120_000;
const title = 'follows the definition, heads %i, N %i, M %i, d %i, e %i';
/** Several blocks of own rows and tiles of others, and columns that are no multiple of 4; one row of a side. */
const shapes: readonly Extents[] = [
  [2, 70, 41, 6, 3],
  [2, 1, 7, 3, 5],
  [2, 9, 1, 4, 2],
];
const vit: Extents = [2, 197, 197, 64, 64];

function describeSource(name: string, source: RowSource, missing: string | undefined, own: Extents): void {
  const why = missing === undefined ? '' : ` (skipped: ${missing})`;
  const whole = source.kind === 'subgroup' || source.lanesPerRow === 1;
  describe.skipIf(missing !== undefined)(`attention with ${name}${why}`, { timeout }, () => {
    it.each<Extents>([...(whole ? shapes : []), own])(title, async (...extents) => {
      await check(operandsOf(extents), source);
    });
    if (!whole) return;

    it('reads four columns at once where it can', async () => {
      await check(operandsOf([2, 9, 11, 12, 8]), source, { asQuads: true });
    });

    it('makes a row NaN whose scores have NaN or +∞ in them, or are −∞ alone', async () => {
      const operands = operandsOf([1, 6, 5, 2, 3]);
      const q = changed(operands.q, { 2: NaN, 5: Infinity, 8: 0, 9: 0 });
      await check({ ...operands, q }, source);
      const k = hostTensor(operands.k.shape, new Float32Array(10).fill(-Infinity));
      const positive = hostTensor(operands.q.shape, operands.q.data.map(Math.abs) as Float32Array);
      // The logarithm of a sum of zeros is −∞, where the formula with the largest score gives NaN.
      await check({ ...operands, q: positive, k }, source, { names: ['result', 'dq', 'dk', 'dv'] });
    });

    it('gives a key no weight whose score is −∞, also the first one', async () => {
      const operands = operandsOf([1, 6, 5, 2, 3]);
      const q = hostTensor(operands.q.shape, operands.q.data.map(Math.abs) as Float32Array);
      await check({ ...operands, q, k: changed(operands.k, { 0: -Infinity, 5: -Infinity }) }, source);
    });

    it('keeps scores far beyond what has an exponential', async () => {
      const operands = operandsOf([1, 6, 5, 1, 3]);
      const q = hostTensor([1, 6, 1], Float32Array.of(500, -500, 0, 1, 3000, -3000));
      const k = hostTensor([1, 5, 1], Float32Array.of(-2, 1, 3, 3, -2));
      await check({ ...operands, q, k }, source, { names: ['result', 'statistics'] });
    });
  });
}

if (typeof runner === 'string') {
  // A build machine has an adapter. Elsewhere the kernels may go untested, but not unnoticed.
  it.skipIf(process.env['CI'] !== 'true')(`kernels of attention (skipped: ${runner})`, () => {
    expect.fail(`With CI=true there must be WebGPU, but ${runner}.`);
  });
} else {
  const { subgroupSize } = runner;
  const missing = subgroupSize === undefined ? 'no subgroups of a fixed size' : undefined;
  const size = subgroupSize ?? 1;
  if (missing !== undefined && process.env['CI'] === 'true') {
    it('finds subgroups of a fixed size', () =>
      expect.fail(`With CI=true they must be there, but: ${missing}.`));
  }
  describeSource(
    'tiles in shared memory',
    { kind: 'shared', lanesPerRow: 1 },
    undefined,
    [66_000, 1, 2, 1, 1],
  );
  describeSource(
    'tiles in shared memory, 2 lanes per row',
    { kind: 'shared', lanesPerRow: 2 },
    missing,
    [2, 40, 41, 8, 6],
  );
  describeSource('tiles in shared memory, 4 lanes per row', { kind: 'shared', lanesPerRow: 4 }, missing, vit);
  describeSource('broadcasts in subgroups', { kind: 'subgroup', size }, missing, vit);

  it.skipIf(missing !== undefined)(`takes rows of up to ${mostColumns} columns`, { timeout }, async () => {
    await check(operandsOf([1, 3, 5, mostColumns, 4]), { kind: 'subgroup', size });
  });
}

it('says which rows are too wide for it', () => {
  expect(hasAttentionKernels({ d: mostColumns, e: mostColumns })).toBe(true);
  expect(hasAttentionKernels({ d: mostColumns + 1, e: 1 })).toBe(false);
  expect(hasAttentionKernels({ d: 1, e: mostColumns + 1 })).toBe(false);
});
