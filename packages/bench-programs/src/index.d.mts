import type { HostTensor, HostTensors, ParameterLayout, Program, VitConfig, Weights } from '@kora-bench/core';

/** ViT-Tiny/16 at 224. */
export const vitTiny: VitConfig;

/** A training step of a ViT with its random weights, state and feeds. */
export interface VitStep {
  readonly program: Program;
  readonly layout: ParameterLayout;
  readonly weights: Weights;
  readonly state: HostTensors;
  feeds(step: number): HostTensors;
}

export interface VitStepOptions {
  readonly model?: VitConfig;
  readonly rank?: number;
  readonly classes?: number;
  readonly learningRate?: number;
}

/** What trains beside the head: LoRA on all linear layers, the whole backbone, or nothing. */
export function vitTrainStep(
  batchSize: number,
  options?: VitStepOptions & { readonly method?: 'lora' | 'full' | 'linear-probe' },
): VitStep;

/** The step with LoRA on all linear layers. */
export function vitLoraStep(batchSize: number, options?: VitStepOptions): VitStep;

/** The product of two matrices `[n, n]`, of which `corner` is the first element. */
export function matrixProduct(n: number): {
  readonly program: Program;
  readonly weights: Weights;
  readonly state: Readonly<Record<'x', HostTensor>>;
  readonly flops: number;
};
