import type { HostTensor, Weights } from '@kora-bench/core/graph';
import { hostTensor } from '@kora-bench/core/graph';
import type { LinearSite, PeftForm } from '@kora-bench/core/peft';
import {
  layersInAllBlocks,
  peftPrefix,
  readPeftFields,
  refuseFeatures,
  requireParameter,
  targetLayers,
  targetsOf,
} from '@kora-bench/core/peft';
import { z } from 'zod';
import type { VeraOptions } from './options.js';
import { lambdaB, lambdaD, sharedA, sharedB } from './options.js';

const rank = 'an integer from 1 to 4096';
const fieldsSchema = z.looseObject({
  r: z.int(rank).min(1, rank).max(4096, rank),
  d_initial: z.number('a number').default(0.1),
});

/** Where the names of the shared matrices begin: they belong to no module. */
const sharedPrefix = 'base_model.';

/** VeRA as peft saves it, with its random matrices (`save_projection`). */
export const veraForm: PeftForm<VeraOptions> = {
  type: 'VERA',
  write({ model, options, values }) {
    const layers = targetLayers(model, options.targets);
    const parts = [...new Set(layers.map(({ rows }) => rows?.[0] ?? null))];
    const tensors = new Map<string, HostTensor>();
    const shared = sharedMatrices(layers, options.rank, values);
    const width = parts.length * options.rank;
    const fusedRows = parts.some((part) => part !== null)
      ? model.weights.get(layers.find(({ rows }) => rows !== undefined)!.weight)![0]!
      : 0;
    const rows = Math.max(shared.b.shape[0]!, fusedRows);
    // Each part of the fused layer has columns of its own in B, which are zero outside its rows; whole layers, too.
    const [a, b] = [new Float32Array(width * shared.a.shape[1]!), new Float32Array(rows * width)];
    parts.forEach((part, group) => {
      a.set(shared.a.data, group * shared.a.data.length);
      const most = part === null ? shared.b.shape[0]! : partHeight(layers, part);
      for (let row = 0; row < most; row++)
        for (let k = 0; k < options.rank; k++)
          b[((part ?? 0) + row) * width + group * options.rank + k] = shared.b.data[row * options.rank + k]!;
    });
    tensors.set(`${sharedPrefix}${sharedA}`, hostTensor([width, shared.a.shape[1]!], a));
    tensors.set(`${sharedPrefix}${sharedB}`, hostTensor([rows, width], b));
    for (const weight of new Set(layers.map((layer) => layer.weight))) {
      const outFeatures = model.weights.get(weight)![0]!;
      const [scalesOut, scalesRank] = [new Float32Array(outFeatures), new Float32Array(width)];
      for (const layer of layers.filter((one) => one.weight === weight)) {
        const group = parts.indexOf(layer.rows?.[0] ?? null);
        const own = (name: string, length: number) =>
          requireParameter(values, `${layer.name}.${name}`, [length]).data;
        scalesOut.set(own(lambdaB, layer.outFeatures), layer.rows?.[0] ?? 0);
        scalesRank.set(own(lambdaD, options.rank), group * options.rank);
      }
      const module = `${peftPrefix}${weight.slice(0, -'.weight'.length)}`;
      tensors.set(`${module}.${lambdaB}`, hostTensor([outFeatures], scalesOut));
      tensors.set(`${module}.${lambdaD}`, hostTensor([width], scalesRank));
    }
    return {
      config: {
        r: width,
        d_initial: options.dInitial,
        target_modules: [...new Set(layers.map(({ kind, rows: part }) => (part ? 'attn.qkv' : kind)))],
        save_projection: true,
        projection_prng_key: 0,
        vera_dropout: 0,
        bias: 'none',
        fan_in_fan_out: false,
      },
      tensors,
    };
  },
  read(context) {
    const { config, tensors } = context;
    const { r, d_initial: dInitial } = readPeftFields(config, fieldsSchema);
    refuseFeatures(
      config,
      { fan_in_fan_out: 'weights stored as [in, out]', bias: 'trained biases of the backbone' },
      ['runtime_config'],
    );
    const { layers, kinds } = layersInAllBlocks(context, lambdaB);
    const values = new Map<string, HostTensor>();
    const { widest, highest } = extents(layers);
    values.set(sharedA, tensors.take(`${sharedPrefix}${sharedA}`, [r, widest]));
    values.set(sharedB, tensors.take(`${sharedPrefix}${sharedB}`, [highest, r]));
    for (const { name, outFeatures } of layers) {
      for (const [vector, length] of [
        [lambdaB, outFeatures],
        [lambdaD, r],
      ] as const)
        values.set(`${name}.${vector}`, tensors.take(`${peftPrefix}${name}.${vector}`, [length]));
    }
    return {
      options: { rank: r, dInitial, targets: targetsOf(kinds) },
      values,
    };
  },
};

function extents(layers: readonly LinearSite[]) {
  return {
    widest: Math.max(...layers.map(({ inFeatures }) => inFeatures)),
    highest: Math.max(...layers.map(({ outFeatures }) => outFeatures)),
  };
}

function partHeight(layers: readonly LinearSite[], start: number): number {
  return layers.find(({ rows }) => rows?.[0] === start)!.outFeatures;
}

function sharedMatrices(layers: readonly LinearSite[], rank: number, values: Weights) {
  const { widest, highest } = extents(layers);
  return {
    a: requireParameter(values, sharedA, [rank, widest]),
    b: requireParameter(values, sharedB, [highest, rank]),
  };
}
