import { InputError } from '@kora-bench/core/errors';
import type { HostTensor } from '@kora-bench/core/graph';
import { hostTensor } from '@kora-bench/core/graph';
import type { PeftForm } from '@kora-bench/core/peft';
import {
  layersInAllBlocks,
  peftPrefix,
  readPeftFields,
  refuseFeatures,
  requireParameter,
} from '@kora-bench/core/peft';
import { z } from 'zod';
import type { Ia3Options } from './options.js';
import { scaledLayers, scaleName } from './options.js';

const fieldsSchema = z.looseObject({
  feedforward_modules: z
    .union([z.string(), z.array(z.string())], 'a list of modules, or an expression')
    .default([]),
});

/** (IA)³ as peft saves it: `[out, 1]` for scaled outputs, `[1, in]` for scaled inputs. */
export const ia3Form: PeftForm<Ia3Options> = {
  type: 'IA3',
  write({ model, options, values }) {
    const tensors = new Map<string, HostTensor>();
    const [kinds, feedforward] = [new Set<string>(), new Set<string>()];
    for (const { site, ofInput } of scaledLayers(model, options)) {
      const length = ofInput ? site.inFeatures : site.outFeatures;
      const scales = requireParameter(values, scaleName(site), [length]);
      const kind = site.rows === undefined ? site.kind : 'attn.qkv';
      kinds.add(kind);
      if (ofInput) feedforward.add(kind);
      const name = `${peftPrefix}${site.weight!.replace(/weight$/, 'ia3_l')}`;
      if (site.rows === undefined) {
        tensors.set(name, { ...scales, shape: ofInput ? [1, length] : [length, 1] });
        continue;
      }
      if (ofInput) {
        throw new InputError('peft cannot scale the inputs of a part of the fused qkv layer.', {
          where: 'options.feedforward',
          expected: 'mlp.fc2, or other layers that are whole',
          received: site.kind,
          fix: 'Merge the method into the weights instead.',
        });
      }
      const rows = model.weights.get(site.weight!)![0]!;
      const fused = tensors.get(name) ?? hostTensor([rows, 1], new Float32Array(rows).fill(1));
      (fused.data as Float32Array).set(scales.data, site.rows[0]);
      tensors.set(name, fused);
    }
    return {
      config: {
        target_modules: [...kinds],
        feedforward_modules: [...feedforward],
        fan_in_fan_out: false,
        init_ia3_weights: true,
      },
      tensors,
    };
  },
  read(context) {
    const { config, tensors } = context;
    readPeftFields(config, fieldsSchema);
    refuseFeatures(config, { fan_in_fan_out: 'weights stored as [in, out]' }, ['runtime_config']);
    const { layers, kinds } = layersInAllBlocks(context, 'ia3_l');
    // Which side is scaled shows in the shape: `[1, in]` or `[out, 1]`, the same in all blocks.
    const feedforward = kinds.filter((kind) => {
      const { name } = layers.find((layer) => layer.kind === kind)!;
      return tensors.shapeOf(`${peftPrefix}${name}.ia3_l`)?.[0] === 1;
    });
    const values = new Map<string, HostTensor>();
    for (const site of layers) {
      const stored = `${peftPrefix}${scaleName(site)}`;
      const ofInput = feedforward.includes(site.kind);
      const length = ofInput ? site.inFeatures : site.outFeatures;
      const tensor = tensors.take(stored, ofInput ? [1, length] : [length, 1]);
      values.set(scaleName(site), { ...tensor, shape: [length] });
    }
    return { options: { targets: [...kinds], feedforward }, values };
  },
};
