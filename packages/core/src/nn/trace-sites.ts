import { InternalError } from '../errors/kora-error.js';
import { mul } from '../ops/elementwise.js';
import { layerNorm } from '../ops/layer-norm.js';
import { reshape } from '../ops/layout.js';
import { linear } from '../ops/linear.js';
import { concat, narrow } from '../ops/slicing.js';
import type { Tensor } from '../tensor/tensor.js';
import type { ForwardContext, TokenLayout } from './architecture.js';
import type { ForwardHooks, SiteSpec } from './site.js';

/** What a value at a site is made of. */
export interface SiteValue {
  /** What the layer reads. */
  readonly input: Tensor;
  /** What it gives. */
  readonly value: Tensor;
  readonly layout?: TokenLayout;
}

/** Layers of an architecture with the hooks of a method applied; for use in a forward pass. */
export interface SiteTracer {
  /** The value to go on with at the site `name`. */
  at(name: string, site: SiteValue): Tensor;
  /** The linear layer of the site `name`, `[…, in] → […, out]`. */
  linear(name: string, input: Tensor, layout?: TokenLayout): Tensor;
  /** The layer norm of the site `name`, `[…, D] → […, D]`. */
  layerNorm(
    name: string,
    input: Tensor,
    options: { readonly eps: number; readonly layout?: TokenLayout },
  ): Tensor;
  /** The scale per feature of the site `name`, `[…, D] → […, D]`. */
  scale(name: string, input: Tensor, layout?: TokenLayout): Tensor;
}

/** Traces the layers that stand at `sites`. */
export function traceSites(sites: readonly SiteSpec[], { weight, hooks }: ForwardContext): SiteTracer {
  const specs = new Map(sites.map((site) => [site.name, site]));
  const specOf = (name: string): SiteSpec => {
    const spec = specs.get(name);
    if (spec === undefined) throw new InternalError(`The architecture declares no site "${name}".`);
    return spec;
  };
  const at = (name: string, site: SiteValue): Tensor =>
    hooks.value === undefined ? site.value : hooks.value({ ...specOf(name), ...site });
  const parametersOf = (name: string) => {
    const spec = specOf(name);
    const parts = sites.filter(({ weight, rows }) => weight === spec.weight && rows !== undefined);
    return reparametrized(spec, parts, { weight, hooks });
  };
  return {
    at,
    linear(name, input, layout) {
      const { weight, bias } = parametersOf(name);
      return at(name, { input, value: linear(input, weight, bias), ...(layout && { layout }) });
    },
    layerNorm(name, input, { eps, layout }) {
      const { weight, bias } = parametersOf(name);
      return at(name, { input, value: layerNorm(input, weight, bias!, eps), ...(layout && { layout }) });
    },
    scale(name, input, layout) {
      const { weight } = parametersOf(name);
      return at(name, { input, value: mul(input, weight), ...(layout && { layout }) });
    },
  };
}

/**
 * Weight and bias of a layer as a method's hooks leave them: first those of the whole layer, then those of each
 * of its parts.
 * @param parts the sites that are rows of the same weight, in order and without gaps; empty if there are none
 */
export function reparametrized(
  spec: SiteSpec,
  parts: readonly SiteSpec[],
  { weight, hooks }: ForwardContext,
): { readonly weight: Tensor; readonly bias: Tensor | undefined } {
  const change = (value: Tensor, hook: ForwardHooks['weight']): Tensor => {
    if (hook === undefined) return value;
    const whole = hook(spec, value);
    const changed = parts.map((part) => {
      const [start, end] = part.rows!;
      const before = narrow(whole, 0, start, end);
      const after = hook(part, before);
      return { after, same: after.id === before.id };
    });
    return changed.every(({ same }) => same)
      ? whole
      : concat(
          changed.map(({ after }) => after),
          0,
        );
  };
  return {
    weight: change(asMatrix(weight(spec.weight!), spec), hooks.weight?.bind(hooks)),
    bias: spec.bias === undefined ? undefined : change(weight(spec.bias), hooks.bias?.bind(hooks)),
  };
}

/** The kernel of a convolution as the matrix `[out, in]` that it multiplies patches with. */
function asMatrix(weight: Tensor, { inFeatures, outFeatures }: SiteSpec): Tensor {
  return weight.rank > 2 ? reshape(weight, [outFeatures, inFeatures]) : weight;
}
