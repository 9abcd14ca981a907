import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import definition from '@kora-bench/backend-ort';
import { compareTensors } from '@kora-bench/conformance';
import { gradients } from '@kora-bench/core/autodiff';
import type { HostTensor, Program, Shape, Weights } from '@kora-bench/core/graph';
import { GraphBuilder, hostTensor, sizeOf } from '@kora-bench/core/graph';
import { linear, mul, sub, sum, tanh } from '@kora-bench/core/ops';
import { makeProgram } from '@kora-bench/core/passes';
import { expect, it } from 'vitest';

const [batch, width, depth] = [8, 768, 8];

interface Layers {
  readonly tokens: number;
  /** Whether the program takes a training step. */
  readonly trains: boolean;
}

/** Scales the features between frozen layers by learned factors: long work on few bytes. */
function scaledLayers({ tokens, trains }: Layers): { program: Program; weights: Weights } {
  const builder = new GraphBuilder();
  const scale = builder.state('scale', [width]);
  let rows = builder.feed('x', [batch, tokens, width]);
  for (let layer = 0; layer < depth; layer++) {
    rows = tanh(mul(linear(rows, builder.frozen(`w${layer}`, [width, width])), scale));
  }
  const energies = sum(mul(rows, rows), { axes: [1, 2] });
  const loss = sum(mul(energies, builder.feed('exampleWeight', [batch])));
  const [slope] = trains ? gradients(loss, [scale]) : [];
  const weights = Array.from(
    { length: depth },
    (_, i) => [`w${i}`, values(i, [width, width], 0.06)] as const,
  );
  return {
    program: makeProgram({ loss, energies }, slope ? { scale: sub(scale, mul(slope, 1e-3)) } : {}),
    weights: new Map(weights),
  };
}

const feedsOf = ({ tokens }: Layers, step: number) => ({
  x: values(step, [batch, tokens, width]),
  exampleWeight: values(step, [batch]),
});

function values(seed: number, shape: Shape, size = 1): HostTensor {
  const data = Float32Array.from({ length: sizeOf(shape) }, (_, i) => size * Math.sin(seed + i * 12.9898));
  return hostTensor(shape, data);
}

/** Three runs on other feeds each. */
async function results(layers: Layers, options: { threads: number; replicas: boolean; profile: string }) {
  const backend = await definition.create('cpu', definition.options.parse(options));
  const { program, weights } = scaledLayers(layers);
  const executable = await backend.compile(program, weights);
  const state = await backend.createState({ scale: hostTensor([width], new Float32Array(width).fill(1)) });
  const found: Record<string, HostTensor>[] = [];
  for (let step = 0; step < 3; step++) {
    const feeds = feedsOf(layers, step);
    const fetched = await executable.run({ feeds, state, fetch: ['loss', 'energies'] });
    found.push({ ...fetched, scale: await state.read('scale') });
  }
  await executable.dispose();
  await expect(executable.run({ feeds: feedsOf(layers, 0), state })).rejects.toMatchObject({
    message: 'The program was disposed of.',
  });
  await backend.dispose();
  return found;
}

const step = { tokens: 32, trains: true };
it.each([
  ['a training step among two threads', step, 2, 3],
  ['a training step among five threads, of which four divide the batch', step, 5, 5],
  ['a training step with nobody, by one thread', step, 1, 1],
  ['a forward pass among two threads', { tokens: 320, trains: false }, 2, 3],
  ['a forward pass too short to start threads for with nobody', { tokens: 32, trains: false }, 2, 1],
] as const)('shares %s, with the results of the whole batch', async (_, layers, threads, sessions) => {
  const folder = await mkdtemp(join(tmpdir(), 'kora-replicas-'));
  try {
    const [shared, whole] = [join(folder, 'shared'), join(folder, 'whole')];
    const got = await results(layers, { threads, replicas: true, profile: shared });
    const wanted = await results(layers, { threads: 1, replicas: false, profile: whole });
    wanted.forEach((run, i) => {
      for (const [name, value] of Object.entries(run)) {
        expect(compareTensors(name, got[i]![name]!, value).relativeError, name).toBeLessThan(2e-5);
      }
    });
    // Each session writes a profile: one per replica and one for what is done once.
    const profiles = (await readdir(folder)).filter((name) => name.startsWith('shared'));
    expect(profiles).toHaveLength(sessions);
  } finally {
    await rm(folder, { recursive: true });
  }
});
