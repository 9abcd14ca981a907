import definition from '@kora-bench/backend-ort';
import { compareTensors, createOracle } from '@kora-bench/conformance';
import { gradients } from '@kora-bench/core/autodiff';
import type { Backend } from '@kora-bench/core/backend';
import type { HostTensor, Program, Shape, Tensor } from '@kora-bench/core/graph';
import { GraphBuilder, hostTensor, sizeOf, sourcesOf } from '@kora-bench/core/graph';
import {
  add,
  concat,
  gelu,
  layerNorm,
  linear,
  matmul,
  mul,
  narrow,
  reshape,
  scaledDotProductAttention,
  softmax,
  sub,
  sum,
  transpose,
} from '@kora-bench/core/ops';
import { makeProgram } from '@kora-bench/core/passes';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let backend: Backend;
let oracle: Backend;
beforeAll(async () => {
  backend = await definition.create('cpu', definition.options.parse({ threads: 1 }));
  oracle = await createOracle();
});
afterAll(async () => {
  await backend.dispose();
  await oracle.dispose();
});

/** Values in about ±1 that differ from name to name. */
function values(name: string, shape: Shape): HostTensor {
  const seed = [...name].reduce((total, letter) => total + letter.charCodeAt(0), 0);
  return hostTensor(
    shape,
    Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(seed + i * 12.9898)),
  );
}

async function runOn(engine: Backend, program: Program): Promise<Record<string, HostTensor>> {
  const named = (kind: 'feed' | 'frozen' | 'state') =>
    sourcesOf(program, kind).map(({ name, node }) => [name, values(name, node.shape)] as const);
  const executable = await engine.compile(program, new Map(named('frozen')));
  const state = await engine.createState(Object.fromEntries(named('state')));
  const fetch = [...program.outputs.keys()];
  const results = await executable.run({ feeds: Object.fromEntries(named('feed')), state, fetch });
  for (const name of program.updates.keys()) results[`state ${name}`] = await state.read(name);
  return results;
}

async function expectSame(program: Program): Promise<void> {
  const [got, wanted] = [await runOn(backend, program), await runOn(oracle, program)];
  for (const [name, value] of Object.entries(wanted)) {
    expect(compareTensors(name, got[name]!, value).relativeError, name).toBeLessThan(2e-5);
  }
}

describe('a batch that is too large for the cache', () => {
  it('gives the results of the whole batch when it is worked on in parts', async () => {
    const builder = new GraphBuilder();
    const [batch, tokens, width] = [12, 40, 32];
    const w = builder.state('w', [width, width]);
    const gate = builder.state('gate', [width]);
    const cls = reshape(builder.frozen('cls', [width]), [1, 1, width]);
    const images = builder.feed('images', [batch, tokens * 20, width]);
    const pooled = sum(reshape(images, [batch, tokens, 20, width]), { axes: [2] });
    const heads = (x: Tensor) => transpose(reshape(x, [batch, tokens, 2, width / 2]), [0, 2, 1, 3]);
    const q = heads(linear(pooled, w, gate));
    const mixed = reshape(transpose(scaledDotProductAttention(q, q, heads(pooled), 0.1), [0, 2, 1, 3]), [
      batch,
      tokens,
      width,
    ]);
    const tall = gelu(linear(images, w));
    const joined = concat(
      [mixed, add(mul(pooled, 0), cls), reshape(narrow(tall, 1, 0, 5), [batch, 5, width])],
      1,
    );
    const weight = builder.feed('weight', [batch]);
    const perExample = sum(mul(joined, joined), { axes: [1, 2] });
    const loss = add(sum(mul(perExample, weight)), mul(sum(tall), 1e-3));
    const [dw, dgate] = gradients(loss, [w, gate]);
    const program = makeProgram(
      { loss, perExample, centred: sub(perExample, mul(sum(perExample), 1 / batch)) },
      { w: sub(w, mul(dw!, 1e-4)), gate: sub(gate, mul(dgate!, 1e-4)) },
    );
    await expectSame(program);
  });
});

describe('a low-rank update beside a frozen layer', () => {
  it.each([1, 0.25])('gives the same results and gradients at scale %d', async (scale) => {
    const builder = new GraphBuilder();
    const x = builder.feed('x', [4, 50, 24]);
    const a = builder.state('a', [3, 24]);
    const b = builder.state('b', [16, 3]);
    const inner = add(
      linear(x, builder.frozen('w0', [24, 24])),
      linear(linear(x, builder.state('a0', [2, 24])), builder.state('b0', [24, 2])),
    );
    const update = linear(linear(inner, a), b);
    const y = add(
      linear(inner, builder.frozen('w', [16, 24]), builder.frozen('bias', [16])),
      scale === 1 ? update : mul(update, scale),
    );
    const loss = sum(mul(softmax(y), builder.feed('target', [4, 50, 16])));
    const wanted = [a, b, builder.state('a0', [2, 24]), builder.state('b0', [24, 2])];
    const found = gradients(loss, wanted);
    await expectSame(
      makeProgram({ loss, y, ...Object.fromEntries(found.map((g, i) => [`gradient${i}`, g!])) }),
    );
  });

  it('stays apart where few rows make that cheaper, or where something else reads the layer', async () => {
    const builder = new GraphBuilder();
    const x = builder.feed('x', [2, 24]);
    const base = linear(x, builder.frozen('w', [16, 24]));
    const update = matmul(matmul(x, builder.state('a', [24, 3])), builder.state('b', [3, 16]));
    await expectSame(makeProgram({ base, y: add(base, update) }));
  });
});

describe('a layer norm', () => {
  it('has its gradients, and sums over many rows', async () => {
    const builder = new GraphBuilder();
    const [batch, tokens, width] = [4, 50, 96];
    const x = builder.feed('x', [batch, tokens, width]);
    const [gamma, beta] = [builder.state('gamma', [width]), builder.state('beta', [width])];
    const y = layerNorm(x, gamma, beta, 1e-6);
    const loss = sum(mul(y, mul(y, builder.feed('slope', [batch, tokens, width]))));
    const [dx, dGamma, dBeta] = gradients(loss, [x, gamma, beta]);
    const kept = sum(x, { axes: [0, 1], keepDims: true });
    await expectSame(makeProgram({ loss, dx: dx!, dGamma: dGamma!, dBeta: dBeta!, kept }));
  });
});
