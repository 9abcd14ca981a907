import { FormatError, InputError } from '@kora-bench/core/errors';
import type { HostTensor } from '@kora-bench/core/graph';
import type { PeftForm } from '@kora-bench/core/peft';
import {
  adapterConfigFile,
  layersInAllBlocks,
  peftPrefix,
  readPeftFields,
  refuseFeatures,
  requireParameter,
  requireWholeLayers,
  targetsOf,
} from '@kora-bench/core/peft';
import { z } from 'zod';
import { tablesOf } from './frequency-tables.js';
import type { FourierftOptions } from './options.js';
import { adaptedLayers, coefficientsName, scalingOf } from './options.js';

const count = 'an integer of 1 or above';
const factor = 'a number from 1e-8 to 1e8';
const seed = 'an integer from 0 to 4294967295';
const fieldsSchema = z.looseObject({
  n_frequency: z.int(count).min(1, count).default(1000),
  scaling: z.number(factor).min(1e-8, factor).max(1e8, factor).default(150),
  random_loc_seed: z
    .int(seed)
    .min(0, seed)
    .max(2 ** 32 - 1, seed)
    .default(777),
});

/** FourierFT as peft saves it: the coefficients alone, since its frequencies follow from the seed. */
export const fourierftForm: PeftForm<FourierftOptions> = {
  type: 'FOURIERFT',
  write({ model, options, values, base }) {
    const layers = adaptedLayers(model, options);
    requireWholeLayers(layers, 'transform');
    // peft has one factor for all layers; what is another one's goes into its coefficients.
    const scaling = scalingOf(layers[0]!, options);
    const other = layers.find((layer) => scalingOf(layer, options) !== scaling);
    if (other !== undefined && base === 'start') {
      throw new InputError('peft trains all layers with one scaling.', {
        where: 'options.scaling',
        expected: 'a number, or targets of one size',
        received: `relative, for ${layers[0]!.kind} and ${other.kind}`,
        fix: 'Set scaling to a number, or choose targets of one size.',
      });
    }
    const tensors = layers.map((layer): [string, HostTensor] => {
      const coefficients = requireParameter(values, coefficientsName(layer), [options.frequencies]);
      const share = scalingOf(layer, options) / scaling;
      const data = Float32Array.from(coefficients.data, (value) => value * share);
      return [`${peftPrefix}${coefficientsName(layer)}`, { ...coefficients, data } as HostTensor];
    });
    return {
      config: {
        n_frequency: options.frequencies,
        scaling,
        random_loc_seed: options.locationSeed,
        init_weights: options.init === 'zeros',
        target_modules: [...new Set(layers.map(({ kind }) => kind))],
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
        fan_in_fan_out: 'weights stored as [in, out]',
        n_frequency_pattern: 'a number of frequencies for single layers',
      },
      ['runtime_config'],
    );
    const { n_frequency: frequencies, scaling, random_loc_seed: locationSeed } = fields;
    const { layers, kinds } = layersInAllBlocks(context, 'fourierft_spectrum');
    const small = layers.find(({ inFeatures, outFeatures }) => frequencies > inFeatures * outFeatures);
    if (small !== undefined) {
      throw new FormatError('The adapter has more frequencies than a layer has elements.', {
        where: `${adapterConfigFile}: n_frequency`,
        expected: `at most ${small.outFeatures * small.inFeatures}, the elements of ${small.name}`,
        received: String(frequencies),
        fix: 'Read it with the model that it was trained on.',
      });
    }
    const coefficients = layers.map((layer): [string, HostTensor] => [
      coefficientsName(layer),
      tensors.take(`${peftPrefix}${coefficientsName(layer)}`, [frequencies]),
    ]);
    return {
      options: {
        ...{ frequencies, scaling, locationSeed },
        init: 'normal',
        targets: targetsOf(kinds),
      },
      values: new Map([...coefficients, ...tablesOf(layers, { frequencies, locationSeed })]),
    };
  },
};
