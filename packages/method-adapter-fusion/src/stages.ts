import type { MethodStage } from '@kora-bench/core/peft';
import type { AdapterFusionOptions } from './options.js';
import { adapterPrefix, fusionPrefix } from './parameters.js';

export const adapterStage = (task: number): string => `adapter-${task}`;

/** One stage per adapter on its part of the classes, then the fusion on all of them. */
export function adapterFusionStages({ tasks, adapterShare }: AdapterFusionOptions): MethodStage[] {
  const stages = Array.from({ length: tasks }, (_, task) => ({
    name: adapterStage(task),
    trains: (parameter: string) => parameter.startsWith(adapterPrefix(task)),
    share: adapterShare,
    classPart: { index: task, of: tasks },
  }));
  return [
    ...stages,
    { name: 'fusion', trains: (parameter: string) => parameter.startsWith(fusionPrefix), share: 1 },
  ];
}
