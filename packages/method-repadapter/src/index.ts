import type { Tensor } from '@kora-bench/core/graph';
import { add, linear, matmul, mul, reshape } from '@kora-bench/core/ops';
import type { MethodHooks } from '@kora-bench/core/peft';
import { defineMethod, dropout } from '@kora-bench/core/peft';
import { adaptedLayers, adapterParameters, blockDiagonalUp } from './adapters.js';
import type { RepAdapterOptions } from './options.js';
import { normBefore, optionsSchema } from './options.js';

export type { RepAdapterOptions } from './options.js';

/**
 * RepAdapter: attention and MLP read x + s·B(A·x + a) + s·b. There is no activation in between, so the layer behind
 * can have it in its own weight: W' = W·(I + s·B·A).
 */
export default defineMethod<RepAdapterOptions>({
  name: 'repadapter',
  description: 'Linear adapters before attention and MLP, which merge into the layers behind them.',
  source:
    'Luo et al. 2023, Towards Efficient Visual Adaption via Structural Re-parameterization, arXiv:2302.08106.',
  options: optionsSchema,
  presets: { published: { bottleneck: 8, groups: 2, scale: 1, dropout: 0.1 } },
  parameters: adapterParameters,
  attach(binding): MethodHooks {
    const { model, options, parameter } = binding;
    const layers = adaptedLayers(model, options);
    const adapted = new Map(layers.map((layer) => [layer.name, adapterOf(layer.name)]));

    // Dropout acts between A and B, and a layer without a bias has no room for the adapter's.
    if (
      (binding.noise !== undefined && options.dropout > 0) ||
      layers.some(({ bias }) => bias === undefined)
    ) {
      const before = new Map(layers.map((layer) => [normBefore(layer), layer.name]));
      return {
        value({ name, value }) {
          const layer = before.get(name);
          if (layer === undefined) return value;
          const { down, downBias, up, upBias } = adapted.get(layer)!;
          const hidden = dropout(linear(value, down, downBias), options.dropout, binding, layer);
          return add(value, linear(hidden, up(), upBias()));
        },
      };
    }
    return {
      weight({ name }, weight) {
        const adapter = adapted.get(name);
        return adapter === undefined
          ? weight
          : add(weight, matmul(matmul(weight, adapter.up()), adapter.down));
      },
      bias({ name, weight }, bias) {
        const adapter = adapted.get(name);
        if (adapter === undefined) return bias;
        const { downBias, up, upBias } = adapter;
        const shift = linear(reshape(downBias, [1, options.bottleneck]), up(), upBias());
        return add(bias, reshape(linear(shift, parameter(weight!)), bias.shape));
      },
    };

    /** The adapter before a layer; B and b carry the factor s. */
    function adapterOf(layer: string) {
      const own = (part: string) => parameter(`${layer}.adapter.${part}`);
      return {
        down: own('down.weight'),
        downBias: own('down.bias'),
        up: (): Tensor => mul(blockDiagonalUp(own('up.weight'), options), options.scale),
        upBias: (): Tensor => mul(own('up.bias'), options.scale),
      };
    }
  },
});
