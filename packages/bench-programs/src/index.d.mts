import type { HostTensor, HostTensors, ParameterLayout, Program, VitConfig, Weights } from '@kora-bench/core';

/** ViT-Tiny/16 at 224. */
export const vitTiny: VitConfig;

/** A training step of a ViT with LoRA on all linear layers, its random weights, state and feeds. */
export function vitLoraStep(
  batchSize: number,
  options?: { readonly model?: VitConfig; readonly rank?: number; readonly classes?: number },
): {
  readonly program: Program;
  readonly layout: ParameterLayout;
  readonly weights: Weights;
  readonly state: HostTensors;
  feeds(step: number): HostTensors;
};

/** The product of two matrices `[n, n]`, of which `corner` is the first element. */
export function matrixProduct(n: number): {
  readonly program: Program;
  readonly weights: Weights;
  readonly state: Readonly<Record<'x', HostTensor>>;
  readonly flops: number;
};
