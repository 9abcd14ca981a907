import type { ConfiguredMethod, MethodDefinition } from '@kora-bench/core';
import { stagesOf } from '@kora-bench/core';
import adapterFusion from '@kora-bench/method-adapter-fusion';
import full from '@kora-bench/method-full';
import kora from '@kora-bench/method-kora';
import koraChain from '@kora-bench/method-kora-chain';
import linearProbe from '@kora-bench/method-linear-probe';
import lora from '@kora-bench/method-lora';

/** One stage of a method with its options. */
export interface MethodRecipe {
  readonly name: string;
  readonly method: ConfiguredMethod;
  readonly stage: string;
}

function recipes(label: string, definition: MethodDefinition, given: object): MethodRecipe[] {
  const method = { definition, options: definition.options.parse(given) };
  const stages = stagesOf(method).map(({ name }) => name);
  return stages.map((stage) => ({
    name: stages.length === 1 ? label : `${label}, ${stage}`,
    method,
    stage,
  }));
}

/** Every method package, in every form whose graph differs, stage by stage. */
export const methodRecipes: readonly MethodRecipe[] = [
  ...recipes('linear-probe', linearProbe, {}),
  ...recipes('full', full, {}),
  ...recipes('lora published', lora, { ...lora.presets!.published, rank: 3 }),
  ...recipes('lora peft', lora, { ...lora.presets!.peft, rank: 3 }),
  ...recipes('lora on q and v', lora, { targets: ['attn.q', 'attn.v'], rank: 2, scaling: 'alpha/sqrt(r)' }),
  ...recipes('adapter-fusion', adapterFusion, { bottleneck: 5, fusionWidth: 4 }),
  ...recipes('adapter-fusion as in the paper', adapterFusion, { bottleneck: 5, fusionWidth: 'full' }).slice(
    -1,
  ),
  ...recipes('kora', kora, { rank: 3, dComp: 4 }),
  ...recipes('kora-chain published', koraChain, { ...koraChain.presets!.published, rank: 3 }),
  ...recipes('kora-chain', koraChain, { rank: 3, trainFinalProjection: true }),
];
