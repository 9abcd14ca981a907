import type { Program, Tensor } from '@kora-bench/core/graph';
import { GraphBuilder, sourcesOf } from '@kora-bench/core/graph';
import type { Site } from '@kora-bench/core/nn';
import { patchTokens, vitArchitecture } from '@kora-bench/core/nn';
import { add, greater, linear, tanh, where } from '@kora-bench/core/ops';
import { makeProgram, nodeCost, partitionFrozenPrefix } from '@kora-bench/core/passes';
import type { ConfiguredMethod } from '@kora-bench/core/peft';
import { defineMethod } from '@kora-bench/core/peft';
import type { ImageTokens, ModelSpec } from '@kora-bench/core/training';
import {
  buildEvalProgram,
  buildLayersProgram,
  buildTrainProgram,
  defaultAdamW,
  imagesFeed,
  isTrainable,
  traceModel,
} from '@kora-bench/core/training';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { toyClassification, toyDepth } from './toy-tasks.js';
import { toyVit, toyVitConfig } from './toy-vit.js';

function method(attach?: (weight: (name: string) => Tensor) => (site: Site) => Tensor) {
  const definition = defineMethod<unknown>({
    name: 'toy',
    description: '',
    source: '',
    options: z.strictObject({}),
    parameters: () => [{ name: 'own', shape: [16, 16], init: { kind: 'zeros' } }],
    ...(attach && { attach: ({ parameter }) => ({ value: attach(parameter) }) }),
  });
  return { definition, options: {} } satisfies ConfiguredMethod;
}

/** Leaves the model as it is, so that its own parameter is of no use. */
const idle = method();
/** Adds a map of the class token after the last norm. */
const onFeatures = method(
  (weight) => (site) =>
    site.kind === 'features' ? add(site.value, linear(site.value, weight('own'))) : site.value,
);

function specOf(chosen: ConfiguredMethod, task = toyClassification(7)): ModelSpec {
  return {
    model: toyVit,
    method: chosen,
    task,
    batchSize: 4,
    stage: 'train',
    trains: (parameter) => isTrainable(parameter, chosen),
  };
}

const train = (spec: ModelSpec) => buildTrainProgram({ ...spec, optimizer: defaultAdamW });
/** FLOPs of the nodes that were traced in one scope. */
function flopsIn(program: Program, scope: string): number {
  return program.nodes
    .filter((node) => node.scope === scope)
    .reduce((sum, node) => sum + nodeCost(program, node).flops, 0);
}

describe('a training program', () => {
  it('names its feeds, states and outputs', () => {
    const { program, layout } = train(specOf(onFeatures));
    expect(
      sourcesOf(program, 'feed')
        .map(({ name }) => name)
        .sort(),
    ).toEqual(['biasCorrection1', 'biasCorrection2', 'exampleWeight', 'images', 'label', 'learningRate']);
    const states = ['moment1', 'moment2', 'parameters'];
    expect(
      sourcesOf(program, 'state')
        .map(({ name }) => name)
        .sort(),
    ).toEqual(states);
    expect([...program.updates.keys()].sort()).toEqual(states);
    expect([...program.outputs.keys()].sort()).toEqual(['gradientNorm', 'gradients', 'loss']);
    expect(program.nodes[program.outputs.get('gradients')!]!.shape).toEqual([layout.length]);
    expect(layout.length).toBe(16 * 16 + 7 * 16 + 7);
  });

  it('tells which parameters no gradient can reach', () => {
    expect(train(specOf(idle)).unreached).toEqual(['own']);
    expect(train(specOf(onFeatures)).unreached).toEqual([]);
  });

  it('computes no gradient of a frozen layer', () => {
    const { program } = train(specOf(onFeatures));
    expect(program.nodes.filter(({ scope }) => scope.startsWith('backward.blocks'))).toEqual([]);
    expect(program.nodes.filter(({ scope }) => scope.startsWith('backward'))).not.toEqual([]);
  });
});

describe('the frozen prefix', () => {
  it.each([
    ['classification', toyClassification(7)],
    ['depth', toyDepth()],
  ])('has the same names in training and evaluation: %s', (_name, task) => {
    const namesIn = (program: Program) =>
      partitionFrozenPrefix(program, new Set([imagesFeed]))!
        .values.map(({ name }) => name)
        .sort();
    const spec = specOf(onFeatures, task);
    const names = namesIn(train(spec).program);
    expect(names.length).toBeGreaterThan(0);
    expect(namesIn(buildEvalProgram(spec, ['prediction']).program)).toEqual(names);
    expect(namesIn(train(specOf(idle, task)).program)).toEqual(names);
  });
});

describe('what the prefix keeps', () => {
  it('is no copy of a value: depth keeps patch tokens and class token, not their pairs', () => {
    const { program } = train(specOf(idle, toyDepth()));
    const { values, bytesPerExample } = partitionFrozenPrefix(program, new Set([imagesFeed]))!;
    expect(values.map(({ shape }) => shape).sort((a, b) => a.length - b.length)).toEqual([
      [4, 1, 16],
      [4, 64, 16],
    ]);
    expect(bytesPerExample).toBe(4 * 65 * 16);
  });

  it('is floats alone: a mask is made anew', () => {
    const b = new GraphBuilder();
    const tokens = tanh(b.feed('x', [4, 3]));
    const y = where(greater(tokens, 0.5), b.state('s', [3]), 0);
    const { values, rest } = partitionFrozenPrefix(makeProgram({ y }), new Set(['x']))!;
    expect(values.map(({ shape }) => shape)).toEqual([[4, 3]]);
    expect(rest.nodes.map(({ op }) => op.kind)).toContain('compare');
  });
});

describe('narrowing to the class token', () => {
  const tokens = 65;

  it('leaves of the last block, after its attention, only that token', () => {
    const { program } = buildEvalProgram(specOf(idle), ['prediction']);
    const extents = (scope: string, kind: string) =>
      program.nodes
        .filter((node) => node.scope === scope && node.op.kind === kind)
        .map(({ shape }) => shape[1]);
    expect(extents('blocks.0', 'gelu')).toEqual([tokens]);
    expect(extents('blocks.1', 'gelu')).toEqual([1]);
  });

  it('saves most of that block in training too, and nothing where depth needs all tokens', () => {
    const forward = (task: ModelSpec['task']) => train(specOf(idle, task)).program;
    const [narrow, whole] = [forward(toyClassification(7)), forward(toyDepth())];
    expect(flopsIn(narrow, 'blocks.0')).toBe(flopsIn(whole, 'blocks.0'));
    expect(flopsIn(narrow, 'blocks.1')).toBeLessThan(0.5 * flopsIn(whole, 'blocks.1'));
    expect(flopsIn(whole, 'blocks.1')).toBe(flopsIn(whole, 'blocks.0'));
  });

  it('is no part of tracing: what is asked for whole stays whole', () => {
    const { output } = traceModel(specOf(idle), { training: false });
    expect(patchTokens(output.tokens).shape).toEqual([4, tokens - 1, 16]);
    const { program } = buildLayersProgram(specOf(idle), { layers: 'blocks', tokens: 'all' });
    expect(program.nodes[program.outputs.get('blocks.1')!]!.shape).toEqual([4, tokens * 16]);
  });
});

describe('a program of layers', () => {
  const layersOf = (layers: 'blocks' | readonly string[], tokens: ImageTokens = 'class') =>
    buildLayersProgram(specOf(idle), { layers, tokens }).layers;

  it('names the blocks, or the sites of some kinds, in the order of the forward pass', () => {
    expect(layersOf('blocks')).toEqual([
      { name: 'blocks.0', features: 16 },
      { name: 'blocks.1', features: 16 },
    ]);
    expect(layersOf(['output', 'pos_embed', 'mlp.act']).map(({ name }) => name)).toEqual([
      'pos_embed',
      'blocks.0.mlp.act',
      'blocks.0.output',
      'blocks.1.mlp.act',
      'blocks.1.output',
    ]);
  });

  it('has a vector for each image: a token, a mean, or all tokens side by side', () => {
    const features = (tokens: ImageTokens) => layersOf(['mlp.act'], tokens)[0]!.features;
    expect([features('class'), features('patch-mean'), features('all')]).toEqual([64, 64, 65 * 64]);
  });

  it('shows what the method left at a site', () => {
    const doubled = method(
      () =>
        ({ kind, value }) =>
          kind === 'attn' ? add(value, value) : value,
    );
    const { program } = buildLayersProgram(specOf(doubled), { layers: ['attn'], tokens: 'all' });
    // Flattened for each image, it is the sum of what the layer gave and the same again.
    const flat = program.nodes[program.outputs.get('blocks.1.attn')!]!;
    const { op, inputs } = program.nodes[flat.inputs[0]!]!;
    expect(op).toMatchObject({ kind: 'binary', fn: 'add' });
    expect(inputs[0]).toBe(inputs[1]);
  });

  it('refuses kinds that the model does not have, sites without tokens, and a class token that is not there', () => {
    expect(() => layersOf(['attention'])).toThrow(/no site "attention"/);
    expect(() => layersOf(['features'])).toThrow(/site "features" of toy-vit has no tokens/);
    const model = vitArchitecture({ ...toyVitConfig, classToken: false, pool: 'avg' });
    const build = (tokens: ImageTokens) =>
      buildLayersProgram({ ...specOf(idle), model }, { layers: 'blocks', tokens });
    expect(() => build('class')).toThrow(expect.objectContaining({ where: 'tokens' }));
    expect(build('patch-mean').layers).toHaveLength(2);
  });
});
