import type { Tensor } from '@kora-bench/core/graph';
import type { SiteHook } from '@kora-bench/core/nn';
import { add } from '@kora-bench/core/ops';
import { bottleneckDelta, defineMethod } from '@kora-bench/core/peft';
import { fuseDeltas } from './fusion.js';
import type { AdapterFusionOptions } from './options.js';
import { optionsSchema } from './options.js';
import { adapterFusionParameters, adapterName, fusionName } from './parameters.js';
import { adapterFusionStages, adapterStage } from './stages.js';

export type { AdapterFusionOptions } from './options.js';

/**
 * AdapterFusion: bottleneck adapters after the MLP of every block (before its residual sum), each trained
 * alone on its part of the classes; then the adapters stay as they are and an attention learns to mix
 * what they add.
 */
export default defineMethod<AdapterFusionOptions>({
  name: 'adapter-fusion',
  description: 'Task adapters trained one by one, then mixed per token by a learned attention.',
  source:
    'Pfeiffer et al. 2021, AdapterFusion: Non-Destructive Task Composition for Transfer Learning, arXiv:2005.00247.',
  options: optionsSchema,
  presets: { paper: { bottleneck: 48, fusionWidth: 'full' } },
  parameters: adapterFusionParameters,
  stages: adapterFusionStages,
  attach({ options, stage, parameter }): SiteHook {
    const tasks = [...Array(options.tasks).keys()];
    const alone = tasks.find((task) => adapterStage(task) === stage);
    const delta = (task: number, block: number, h: Tensor) => {
      const own = (name: string) => parameter(`${adapterName(task, block)}.${name}`);
      return bottleneckDelta(h, {
        down: own('down.weight'),
        downBias: own('down.bias'),
        up: own('up.weight'),
        upBias: own('up.bias'),
      });
    };
    return ({ layer, block, value }) => {
      if (layer !== 'mlp.fc2') return value;
      if (alone !== undefined) return add(value, delta(alone, block!, value));
      const deltas = tasks.map((task) => delta(task, block!, value));
      const own = (name: string) => parameter(`${fusionName(block!)}.${name}`);
      return add(value, fuseDeltas(value, deltas, own, options.fusionWidth === 'full'));
    };
  },
});
