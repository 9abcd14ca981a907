import type { Architecture } from '@kora-bench/core/nn';
import type { Initializer, ParameterSpec } from '@kora-bench/core/peft';
import { linearInit } from '@kora-bench/core/peft';
import type { AdapterFusionOptions } from './options.js';

/** What the names of one adapter's parameters begin with, in all blocks. */
export const adapterPrefix = (task: number): string => `adapters.${task}.`;
/** What the names of the fusion's parameters begin with. */
export const fusionPrefix = 'fusion.';

export const adapterName = (task: number, block: number): string => `${adapterPrefix(task)}blocks.${block}`;
export const fusionName = (block: number): string => `${fusionPrefix}blocks.${block}`;

/** Near-identity start of an adapter: normal with σ = 0.01 within ±2σ (Houlsby et al. 2019, section 3.6). */
const nearZero: Initializer = { kind: 'truncatedNormal', std: 0.01 };
const zeros: Initializer = { kind: 'zeros' };

/** All adapters of all blocks, then the fusion of each block. */
export function adapterFusionParameters(model: Architecture, options: AdapterFusionOptions): ParameterSpec[] {
  const blocks = [...Array(model.depth).keys()];
  const tasks = [...Array(options.tasks).keys()];
  return [
    ...tasks.flatMap((task) =>
      blocks.flatMap((block) => adapter(adapterName(task, block), model.width, options.bottleneck)),
    ),
    ...blocks.flatMap((block) => fusion(fusionName(block), model.width, options.fusionWidth)),
  ];
}

function adapter(name: string, width: number, bottleneck: number): ParameterSpec[] {
  return [
    { name: `${name}.down.weight`, shape: [bottleneck, width], init: nearZero },
    { name: `${name}.down.bias`, shape: [bottleneck], init: zeros },
    { name: `${name}.up.weight`, shape: [width, bottleneck], init: nearZero },
    { name: `${name}.up.bias`, shape: [width], init: zeros },
  ];
}

function fusion(name: string, width: number, fusionWidth: number | 'full'): ParameterSpec[] {
  const attention = fusionWidth === 'full' ? width : fusionWidth;
  const queryAndKey: ParameterSpec[] = [
    { name: `${name}.query.weight`, shape: [attention, width], init: linearInit },
    { name: `${name}.key.weight`, shape: [attention, width], init: linearInit },
  ];
  if (fusionWidth === 'full') {
    return [
      ...queryAndKey,
      { name: `${name}.value.weight`, shape: [width, width], init: { kind: 'nearIdentity', std: 1e-3 } },
    ];
  }
  return [
    ...queryAndKey,
    { name: `${name}.value.down.weight`, shape: [fusionWidth, width], init: nearZero },
    { name: `${name}.value.up.weight`, shape: [width, fusionWidth], init: nearZero },
  ];
}
