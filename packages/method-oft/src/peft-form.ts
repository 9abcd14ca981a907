import type { HostTensor } from '@kora-bench/core/graph';
import type { PeftForm } from '@kora-bench/core/peft';
import {
  layersInAllBlocks,
  peftPrefix,
  readPeftFields,
  refuseFeatures,
  requireParameter,
  requireWholeLayers,
  targetLayers,
  targetsOf,
} from '@kora-bench/core/peft';
import { z } from 'zod';
import type { OftOptions } from './options.js';
import { angles, blockSizeOf } from './options.js';

const size = 'an integer from 2 to 1024: a number of blocks (r) alone is not supported';
const terms = 'an integer from 4 to 32';
const fieldsSchema = z.looseObject({
  oft_block_size: z.int(size).min(2, size).max(1024, size),
  use_cayley_neumann: z
    .literal(true, 'true: the exact inverse of the Cayley transform is not supported')
    .default(true),
  num_cayley_neumann_terms: z.int(terms).min(4, terms).max(32, terms).default(5),
});

/** OFT as peft saves it: its angles, in blocks of one size. */
export const oftForm: PeftForm<OftOptions> = {
  type: 'OFT',
  write({ model, options, values }) {
    const layers = targetLayers(model, options.targets);
    requireWholeLayers(layers, 'rotate the input of');
    const tensors = layers.map(({ name, inFeatures }): [string, HostTensor] => {
      const block = blockSizeOf(inFeatures, options.blockSize);
      const shape = [inFeatures / block, (block * (block - 1)) / 2];
      return [`${peftPrefix}${name}.${angles}`, requireParameter(values, `${name}.${angles}`, shape)];
    });
    return {
      config: {
        r: 0,
        oft_block_size: options.blockSize,
        use_cayley_neumann: true,
        num_cayley_neumann_terms: options.neumannTerms,
        target_modules: [...new Set(layers.map(({ kind }) => kind))],
        module_dropout: 0,
        coft: false,
        block_share: false,
        bias: 'none',
        fan_in_fan_out: false,
      },
      tensors: new Map(tensors),
    };
  },
  read(context) {
    const { config, tensors } = context;
    const fields = readPeftFields(config, fieldsSchema);
    refuseFeatures(
      config,
      {
        bias: 'trained biases of the backbone',
        block_share: 'one rotation for all blocks of a layer',
        coft: 'constrained rotations',
        fan_in_fan_out: 'weights stored as [in, out]',
      },
      ['runtime_config', 'use_cayley_neumann'],
    );
    const { layers, kinds } = layersInAllBlocks(context, angles);
    const values = layers.map(({ name, inFeatures }): [string, HostTensor] => {
      const block = blockSizeOf(inFeatures, fields.oft_block_size);
      const shape = [inFeatures / block, (block * (block - 1)) / 2];
      return [`${name}.${angles}`, tensors.take(`${peftPrefix}${name}.${angles}`, shape)];
    });
    return {
      options: {
        blockSize: fields.oft_block_size,
        neumannTerms: fields.num_cayley_neumann_terms,
        targets: targetsOf(kinds),
      },
      values: new Map(values),
    };
  },
};
