import type { Tensor } from '@kora-bench/core/graph';
import { add } from '@kora-bench/core/ops';
import type { MethodHooks } from '@kora-bench/core/peft';
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
  startsAtBackbone: () => false,
  attach({ options, stage, parameter }) {
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
    const value: MethodHooks['value'] = ({ kind, block, value: h }) => {
      if (kind !== 'mlp.fc2') return h;
      if (alone !== undefined) return add(h, delta(alone, block!, h));
      const deltas = tasks.map((task) => delta(task, block!, h));
      const own = (name: string) => parameter(`${fusionName(block!)}.${name}`);
      return add(h, fuseDeltas(h, deltas, own, options.fusionWidth === 'full'));
    };
    return { value };
  },
});
