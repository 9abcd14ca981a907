import type { HostTensor } from '@kora-bench/core/graph';
import { hostTensor } from '@kora-bench/core/graph';
import type { PeftForm } from '@kora-bench/core/peft';
import { peftPrefix, requireParameter } from '@kora-bench/core/peft';
import { adaptedLayers, loraModules, readLoraLayers, writeLoraModules } from '@kora-bench/method-lora';
import { type DoraOptions, magnitude, rowNorms } from './magnitudes.js';

/** The name of a module's magnitudes as peft saves them. */
const savedMagnitude = 'lora_magnitude_vector';

/** LoRA's adapter with `use_dora` and magnitudes. */
export const doraForm: PeftForm<DoraOptions> = {
  type: 'LORA',
  flag: 'use_dora',
  write({ model, options, values, pretrained }) {
    const modules = loraModules(model, adaptedLayers(model, options), values);
    const { config, tensors } = writeLoraModules({ model, options, values }, modules);
    for (const { name, layers } of modules) {
      const own = layers.map((layer) => ({
        layer,
        tensor: requireParameter(values, `${layer.name}.${magnitude}`, [layer.outFeatures]),
      }));
      const [first] = own as [(typeof own)[number]];
      if (first.layer.rows === undefined) {
        tensors.set(`${peftPrefix}${name}.${savedMagnitude}`, first.tensor);
        continue;
      }
      // Rows of parts without an adapter keep their norm, so that they stay as they are.
      const fused = rowNorms(pretrained(first.layer.weight));
      const whole = Float32Array.from(fused.data);
      for (const { layer, tensor } of own) whole.set(tensor.data, layer.rows![0]);
      tensors.set(`${peftPrefix}${name}.${savedMagnitude}`, hostTensor(fused.shape, whole));
    }
    return { config: { ...config, lora_dropout: 0, use_dora: true, init_lora_weights: true }, tensors };
  },
  read(context) {
    const { options, layers, values } = readLoraLayers(context, 'use_dora');
    const magnitudes = layers.map(({ name, outFeatures }): [string, HostTensor] => [
      `${name}.${magnitude}`,
      context.tensors.take(`${peftPrefix}${name}.${savedMagnitude}`, [outFeatures]),
    ]);
    return { options, values: new Map([...values, ...magnitudes]) };
  },
};
