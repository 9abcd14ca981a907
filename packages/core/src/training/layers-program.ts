import { InputError } from '../errors/kora-error.js';
import type { Program } from '../graph/graph.js';
import { sizeOf } from '../graph/shape.js';
import type { Architecture, Tokens } from '../nn/architecture.js';
import { ownTokens, patchTokens, prefixToken } from '../nn/architecture.js';
import type { SiteSpec } from '../nn/site.js';
import { reshape } from '../ops/layout.js';
import { mean } from '../ops/reduce.js';
import type { Tensor } from '../tensor/tensor.js';
import type { ParameterLayout } from './parameter-layout.js';
import { forwardProgram } from './programs.js';
import type { ModelSpec } from './trace-model.js';
import { traceModel } from './trace-model.js';

/**
 * What stands for an image in a layer: its class token `[D]`, the mean of its patches `[D]`, or all of the model's own
 * tokens side by side `[N·D]`.
 */
export type ImageTokens = 'class' | 'patch-mean' | 'all';

export interface LayersSpec {
  /** The tokens after each block, or kinds of sites, e.g. `['attn', 'mlp', 'output']`. */
  readonly layers: 'blocks' | readonly string[];
  readonly tokens: ImageTokens;
}

export interface LayersProgram {
  /** Feeds: images. States: `parameters`, if anything is trainable. Outputs: one `[B, features]` by each layer's name. */
  readonly program: Program;
  readonly layout: ParameterLayout;
  /** In the order of the forward pass. */
  readonly layers: readonly LayerFeatures[];
}

export interface LayerFeatures {
  /** E.g. `blocks.3`, or of a site, `blocks.3.attn`. */
  readonly name: string;
  /** Numbers for each image. */
  readonly features: number;
}

/**
 * Traces the forward pass up to what its layers give, as the method left it.
 * @throws InputError for kinds of sites that the model does not have or that have no tokens, and for the class token of
 *   a model without one
 */
export function buildLayersProgram(spec: ModelSpec, { layers, tokens }: LayersSpec): LayersProgram {
  const { model } = spec;
  const sites = layers === 'blocks' ? [] : sitesOf(model, layers);
  const seen = new Map<string, Tokens>();
  const { output, layout } = traceModel(spec, {
    training: false,
    seen: ({ name, value, layout }) => {
      if (layout !== undefined) seen.set(name, { value, layout });
    },
  });
  const found: readonly (readonly [string, Tokens])[] =
    layers === 'blocks'
      ? output.blocks.map((block, index) => [`blocks.${index}`, block])
      : sites.map(({ name, kind }) => [name, seen.get(name) ?? noTokens(model, kind)]);
  const outputs = new Map(found.map(([name, of]) => [name, imageFeatures(of, tokens, model)]));
  return {
    program: forwardProgram(outputs),
    layout,
    layers: [...outputs].map(([name, { shape }]) => ({ name, features: shape[1]! })),
  };
}

/** The sites of some kinds, in the order of the forward pass. */
function sitesOf({ name, sites }: Architecture, kinds: readonly string[]): readonly SiteSpec[] {
  const known = new Set(sites.map(({ kind }) => kind));
  const missing = kinds.find((kind) => !known.has(kind));
  if (missing !== undefined || kinds.length === 0) {
    throw new InputError(
      missing === undefined ? 'There are no layers to look at.' : `${name} has no site "${missing}".`,
      {
        where: 'layers',
        expected: `some of ${[...known].join(', ')}`,
        received: missing ?? 'none',
        fix: 'Name kinds of sites that the model has.',
      },
    );
  }
  return sites.filter(({ kind }) => kinds.includes(kind));
}

/** `[B, features]`. */
function imageFeatures(of: Tokens, tokens: ImageTokens, model: Architecture): Tensor {
  switch (tokens) {
    case 'class':
      return prefixToken(of, 'class') ?? noClassToken(model);
    case 'patch-mean':
      return mean(patchTokens(of), { axes: [1] });
    case 'all': {
      const own = ownTokens(of);
      return reshape(own, [own.shape[0]!, sizeOf(own.shape.slice(1))]);
    }
  }
}

function noClassToken({ name, tokens: { prefix } }: Architecture): never {
  throw new InputError(`${name} has no class token.`, {
    where: 'tokens',
    expected: 'patch-mean or all',
    received: `class; before its patches the model has ${prefix.length === 0 ? 'nothing' : prefix.join(', ')}`,
    fix: 'Use patch-mean or all, or a model with a class token.',
  });
}

function noTokens({ name }: Architecture, kind: string): never {
  throw new InputError(`The site "${kind}" of ${name} has no tokens.`, {
    where: 'layers',
    expected: 'kinds of sites with the tokens of an image, e.g. attn, mlp, output',
    received: kind,
    fix: 'Leave it out.',
  });
}
