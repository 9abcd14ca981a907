import type { Tensor } from '@kora-bench/core/graph';
import { activate } from '@kora-bench/core/nn';
import {
  add,
  broadcastTo,
  concat,
  linear,
  reshape,
  scaledDotProductAttention,
  transpose,
} from '@kora-bench/core/ops';
import type { Initializer, ParameterSpec } from '@kora-bench/core/peft';
import { composeDeltas, linearInit } from '@kora-bench/core/peft';
import type { KoraOptions } from './options.js';

/*
 * Compositions: what makes one delta `[B, N, D]` of the three of a block. All of them narrow the deltas to d_comp
 * features and end in W2 and b2, and all are 0 where the deltas are 0 and the biases still are.
 */

/** The parts of the fused qkv layer, in its order. */
export const projections = ['q', 'k', 'v'] as const;

/** Gives a tensor by the end of a name behind the block’s own prefix. */
export type OwnParameter = (name: string) => Tensor;

const zeros: Initializer = { kind: 'zeros' };

/** The parameters of a composition, by the end of their names. */
export function compositionParameters(width: number, options: KoraOptions): ParameterSpec[] {
  const { composition, dComp: narrow, hiddenLayers = 1 } = options;
  if (narrow === undefined) return [];
  const dense = (name: string, out: number, fanIn: number): ParameterSpec[] => [
    { name: `compose.${name}.weight`, shape: [out, fanIn], init: linearInit },
    { name: `compose.${name}.bias`, shape: [out], init: zeros },
  ];
  const square = (name: string): ParameterSpec => ({
    name: `compose.attention.${name}.weight`,
    shape: [narrow, narrow],
    init: linearInit,
  });
  const last = dense('fc2', width, narrow);
  switch (composition) {
    case 'none':
      return [];
    case 'mlp':
    case 'linear':
      return [
        ...dense('fc1', narrow, projections.length * width),
        ...Array.from({ length: hiddenLayers - 1 }, (_, i) => dense(`hidden.${i}`, narrow, narrow)).flat(),
        ...last,
      ];
    case 'attention':
    case 'cross-block':
      return [
        ...projections.flatMap((part) => dense(`token_${part}`, narrow, width)),
        ...['query', 'key', 'value', 'output'].map(square),
        { name: 'compose.pool', shape: [narrow], init: zeros },
        ...last,
      ];
  }
}

/** Composes the deltas of one block after the other. */
export type Composer = (deltas: readonly Tensor[], own: OwnParameter) => Tensor;

/** A composer of the blocks of one forward pass, called in their order. */
export function makeComposer(options: KoraOptions): Composer {
  const { composition, activation, hiddenLayers = 1 } = options;
  const earlier: Tensor[] = [];
  return (deltas, own) => {
    const dense = (name: string) =>
      ({ weight: own(`compose.${name}.weight`), bias: own(`compose.${name}.bias`) }) as const;
    const last = dense('fc2');
    if (composition === 'mlp' || composition === 'linear') {
      const first = dense('fc1');
      const hidden = Array.from({ length: hiddenLayers - 1 }, (_, i) => dense(`hidden.${i}`));
      const weights = { w1: first.weight, b1: first.bias, hidden, w2: last.weight, b2: last.bias };
      if (composition === 'linear') return composeDeltas(deltas, weights, (x) => x);
      return composeDeltas(deltas, weights, (x) => activate(x, activation!));
    }
    const tokens = deltaTokens(deltas, dense);
    if (composition === 'cross-block') earlier.push(tokens);
    const read = composition === 'cross-block' ? concat(earlier, 2) : tokens;
    return linear(
      pooled(attended(tokens, read, own, options.heads!), own('compose.pool')),
      last.weight,
      last.bias,
    );
  };
}

type Dense = (name: string) => { readonly weight: Tensor; readonly bias: Tensor };

/** The deltas of a token as three tokens, d_comp wide: `[B, N, 3, d]`. */
function deltaTokens(deltas: readonly Tensor[], dense: Dense): Tensor {
  const narrowed = deltas.map((delta, i) => {
    const { weight, bias } = dense(`token_${projections[i]!}`);
    const token = linear(delta, weight, bias);
    return reshape(token, [...token.shape.slice(0, 2), 1, token.shape[2]!]);
  });
  return concat(narrowed, 2);
}

/** Self-attention of h heads with a residual, every place of the image by itself: `[B, N, 3, d]`. */
function attended(tokens: Tensor, read: Tensor, own: OwnParameter, heads: number): Tensor {
  const [batch, places, , width] = tokens.shape as [number, number, number, number];
  const perHead = width / heads;
  const split = (x: Tensor, name: string) => {
    const count = x.shape[2]!;
    const projected = linear(x, own(`compose.attention.${name}.weight`));
    const byHead = transpose(reshape(projected, [batch, places, count, heads, perHead]), [0, 1, 3, 2, 4]);
    return reshape(byHead, [batch, places * heads, count, perHead]);
  };
  const mixed = scaledDotProductAttention(
    split(tokens, 'query'),
    split(read, 'key'),
    split(read, 'value'),
    perHead ** -0.5,
  );
  const byPlace = transpose(reshape(mixed, [batch, places, heads, 3, perHead]), [0, 1, 3, 2, 4]);
  const joined = reshape(byPlace, [batch, places, 3, width]);
  return add(tokens, linear(joined, own('compose.attention.output.weight')));
}

/** One token of three, weighed by what a learned query `[d]` finds in them: `[B, N, d]`. */
function pooled(tokens: Tensor, query: Tensor): Tensor {
  const [batch, places, , width] = tokens.shape as [number, number, number, number];
  const asked = broadcastTo(reshape(query, [1, 1, 1, width]), [batch, places, 1, width]);
  const found = scaledDotProductAttention(asked, tokens, tokens, width ** -0.5);
  return reshape(found, [batch, places, width]);
}
