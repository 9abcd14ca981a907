import type { Architecture } from '@kora-bench/core/nn';
import { tokenCount } from '@kora-bench/core/nn';
import type { GriddedAdapter, Initializer, ParameterSpec } from '@kora-bench/core/peft';
import { basisParameters, linearInit } from '@kora-bench/core/peft';
import { compositionParameters, projections } from './composition.js';
import type { KoraOptions } from './options.js';

/** What the names of a block’s parameters begin with. */
export function blockPrefix(block: number): string {
  return `blocks.${block}.attn.kora`;
}

/** The sites of a block that something is added to, each with the end of its gate’s name. */
export function targetSites({ target }: KoraOptions): ReadonlyMap<string, string> {
  const gates = (parts: readonly string[]) =>
    new Map(parts.map((part) => [`attn.${part}`, `gate_${part}`] as const));
  switch (target) {
    case 'v':
      return new Map([['attn.v', 'gate']]);
    case 'output':
      return new Map([['output', 'gate']]);
    case 'q-and-v':
      return gates(['q', 'v']);
    case 'own':
      return gates(projections);
  }
}

/** The end of the name of a projection’s A. */
export function nameOfA(part: string, { sharedA }: KoraOptions): string {
  return sharedA ? 'lora_A' : `${part}.lora_A`;
}

/**
 * Per block: A_s `[r, D]` and B_s `[D, r]` for q, k and v, with what their basis adds; those of the composition, W1
 * `[d_comp, 3D]`, b1, W2 `[D, d_comp]`, b2 as published; the gates g `[]`, `[D]` or `[N, 1]`. Biases start at zero,
 * so that the composed delta comes from the adapters alone.
 */
export function koraParameters(model: Architecture, options: KoraOptions): ParameterSpec[] {
  const { width, depth } = model;
  const { rank, init, gate, gateStart } = options;
  const startOfB: Initializer = init === 'dead' ? { kind: 'zeros' } : linearInit;
  const shapeOfGate = { scalar: [], channel: [width], token: [tokenCount(model.tokens), 1] };
  const gates: ParameterSpec[] =
    gate === 'none' || gate === 'frozen'
      ? []
      : [...targetSites(options).values()].map((name) => ({
          name,
          shape: shapeOfGate[gate],
          init: gateStart === 0 ? { kind: 'zeros' } : { kind: 'constant', value: gateStart! },
        }));
  const own: ParameterSpec[] = [
    ...projections.flatMap((part, index): ParameterSpec[] => [
      ...(options.sharedA && index > 0
        ? []
        : [{ name: nameOfA(part, options), shape: [rank, width], init: linearInit }]),
      { name: `${part}.lora_B`, shape: [width, rank], init: startOfB },
      ...basisParameters({ prefix: part, rank, outFeatures: width, init: startOfB }, options),
    ]),
    ...compositionParameters(width, options),
    ...gates,
  ];
  return Array.from({ length: depth }, (_, block) =>
    own.map((spec) => ({ ...spec, name: `${blockPrefix(block)}.${spec.name}` })),
  ).flat();
}

/** The adapters as grids are laid over what they read. */
export function griddedAdapters({ depth }: Architecture, options: KoraOptions): GriddedAdapter[] {
  return Array.from({ length: depth }, (_, block) =>
    projections.map((part) => ({
      prefix: `${blockPrefix(block)}.${part}`,
      site: `blocks.${block}.attn.qkv`,
      block,
      a: `${blockPrefix(block)}.${nameOfA(part, options)}`,
    })),
  ).flat();
}
